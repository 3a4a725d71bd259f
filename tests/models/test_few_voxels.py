"""Few voxels are computed in batches of few sizes, so that another number of them compiles nothing new."""

import jax
import numpy as np
import pytest

from raofit.models import IVIM, _model

MODEL = IVIM([0, 50, 200, 800])
TISSUE = np.array([1.0, 0.3, 1.7e-3, 80e-3], dtype=np.float32)


@pytest.fixture
def sizes(monkeypatch):
    """Shapes the compiled functions are called with."""
    seen = []
    for name in ("_signal", "_signal_and_jacobian"):
        original = getattr(_model, name)

        def recorded(model, parameters, original=original):
            seen.append(parameters.shape)
            return original(model, parameters)

        monkeypatch.setattr(_model, name, recorded)
    return seen


@pytest.mark.parametrize(
    ("batch", "computed"), [((), 8), ((3,), 8), ((2, 4), 8), ((9,), 16), ((1024,), 1024), ((1025,), 1025), ((0,), 0)]
)
def test_batches_of_few_sizes_give_every_voxel_its_own_signal(sizes, batch, computed):
    parameters = TISSUE * np.linspace(0.5, 1, int(np.prod(batch)), dtype=np.float32).reshape(*batch, 1)
    signal, jacobian = MODEL.signal_and_jacobian(parameters)
    assert MODEL.signal(parameters).shape == signal.shape == (*batch, 4)
    assert jacobian.shape == (*batch, 4, 4)
    assert sizes == [(computed, 4)] * 2
    expected = jax.vmap(MODEL.voxel_signal)(parameters.reshape(-1, 4)).reshape(signal.shape)
    np.testing.assert_allclose(signal, expected, rtol=1e-6)


def test_traced_batches_keep_their_size(sizes):
    jax.jit(lambda parameters: MODEL.signal(parameters))(np.tile(TISSUE, (3, 1)))
    assert sizes == [(3, 4)]
