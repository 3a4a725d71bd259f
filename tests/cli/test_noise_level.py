"""Where the noise level of a series comes from."""

import numpy as np
import pytest

from raofit.cli._map_input import MapInput
from raofit.cli._noise_level import noise_level
from raofit.core.errors import RaofitError
from raofit.io.nifti import open_series
from raofit.models import MonoExponentialADC
from tests.cli.helpers import B_VALUES, save

SIGMA = 5.0


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """Every b-value twice, half the image without signal: series, mask of the other half, and model."""
    folder = tmp_path_factory.mktemp("phantom")
    generator = np.random.default_rng(5)
    b_values = np.tile(B_VALUES, 2)
    signal = 200.0 * np.exp(-1e-3 * b_values) * (np.arange(24) < 12)[:, None, None, None] * np.ones((24, 20, 2, 1))
    noise = generator.normal(0, SIGMA, (2, *signal.shape))
    save(folder / "dwi.nii", np.hypot(signal + noise[0], noise[1]).astype(np.float32))
    save(folder / "sigma.nii", np.full(signal.shape[:3], SIGMA))
    return folder, open_series([folder / "dwi.nii"]), signal[..., 0] > 0, MonoExponentialADC(b_values)


def scan(series, mask, model):
    return MapInput(series, model, mask, "rician", None, ())


@pytest.mark.parametrize("option", [None, "residuals", "repeats", "background"])
def test_measured(phantom, option):
    _, series, mask, model = phantom
    level = noise_level(option, scan(series, mask, model), {})
    assert level.source == (option or "residuals")
    # 480 voxels of 12 measurements: the standard error of the median of their variances is the largest of the three,
    # 1.25·√(2/10)/√480/2 = 1.3 % of sigma; four of them
    assert level.sigma == pytest.approx(SIGMA, rel=0.052)
    assert level.sentence.startswith(f"sigma = {level.sigma:.4g} from ")
    assert level.snr == pytest.approx(40, rel=0.06)
    assert level.snr_range[0] < level.snr < level.snr_range[1]


def test_given(phantom):
    folder, series, mask, model = phantom
    level = noise_level("4.5", scan(series, mask, model), {})
    assert (level.sigma, level.median, level.source) == (4.5, 4.5, "given")
    level = noise_level(str(folder / "sigma.nii"), scan(series, mask, model), {})
    assert (level.sigma.shape, level.median, level.source) == (mask.shape, SIGMA, "map")


def test_too_few_measurements_for_residuals(phantom):
    _, series, mask, _ = phantom
    first = series.take(np.array([0, 5]))
    level = noise_level(None, scan(first, mask, MonoExponentialADC(B_VALUES[[0, 5]])), {})
    assert level.source == "background"
    assert level.sigma == pytest.approx(SIGMA, rel=0.1)
    with pytest.raises(RaofitError, match="2 measurements and 2 parameters leave no residual"):
        noise_level("residuals", scan(first, mask, MonoExponentialADC(B_VALUES[[0, 5]])), {})
