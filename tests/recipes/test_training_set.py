"""Training sets: what is in them, that chunks depend on nothing but their index, and refusals."""

import jax
import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.core.parameter import Parameter
from raofit.information.crb import crb
from raofit.models import IVIM, FunctionModel
from raofit.noise import ComplexGaussian, Gaussian
from raofit.recipes.training_set import TrainingSet, simulate_chunk, simulate_training_set
from raofit.training.prior import Prior
from tests.recipes import complex_toy

KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def samples():
    model = complex_toy.model()
    prior = Prior.typical(model)
    chunks = simulate_training_set(model, prior, 100, key=KEY, chunk=40)
    return TrainingSet.from_chunks(chunks, model, prior, {"seed": 3})


def test_shapes_and_types(samples):
    assert len(samples) == 100
    assert samples.parameters.shape == (100, 3)
    assert samples.signals.shape == (100, 6)
    assert (samples.parameters.dtype, samples.signals.dtype) == (np.float32, np.complex64)
    assert (samples.bound.dtype, samples.component.dtype) == (np.float32, np.uint8)


def test_signals_and_bounds_are_those_of_the_parameters(samples):
    np.testing.assert_allclose(samples.signals, samples.model.signal(samples.parameters), rtol=1e-6, atol=1e-6)
    # the derivatives are float32, so a bound keeps about 7 digits less those lost to correlated parameters
    expected = crb(samples.model, samples.parameters, ComplexGaussian(1.0))
    np.testing.assert_allclose(samples.bound, expected, rtol=1e-3)


def test_the_bound_counts_the_unknown_amplitude(samples):
    known = crb(samples.model, samples.parameters, ComplexGaussian(1.0), fixed=["M0"])
    assert np.all(samples.bound > known * 1.001)


def test_a_real_model_has_no_such_nuisance():
    ivim = IVIM([0, 10, 20, 30, 50, 80, 100, 200, 400, 800])
    prior = Prior.typical(ivim)
    found = simulate_chunk(ivim, prior, 0, key=KEY, chunk=16)
    assert found.signals.dtype == np.float32
    np.testing.assert_allclose(found.bound, crb(ivim, found.parameters, Gaussian(1.0)), rtol=1e-3)


def test_a_chunk_depends_on_its_index_alone(samples):
    alone = simulate_chunk(samples.model, samples.prior, 1, key=KEY, chunk=40)
    np.testing.assert_array_equal(alone.parameters, samples.parameters[40:80])
    np.testing.assert_array_equal(alone.signals, samples.signals[40:80])
    np.testing.assert_array_equal(alone.bound, samples.bound[40:80])
    assert not np.any(np.isin(samples.parameters[:40], alone.parameters))
    other = simulate_chunk(samples.model, samples.prior, 1, key=jax.random.key(4), chunk=40)
    assert not np.any(other.parameters == alone.parameters)


def test_a_smaller_set_is_the_beginning_of_a_larger_one(samples):
    chunks = list(simulate_training_set(samples.model, samples.prior, 50, key=KEY, chunk=40))
    assert [len(chunk.parameters) for chunk in chunks] == [40, 10]
    np.testing.assert_array_equal(np.concatenate([chunk.signals for chunk in chunks]), samples.signals[:50])


def test_progress_counts_samples(samples):
    events = []
    for _ in simulate_training_set(samples.model, samples.prior, 50, key=KEY, chunk=40, progress=events.append):
        pass
    assert [(event.done, event.total) for event in events] == [(40, 50), (50, 50)]


def test_split_takes_every_sample_once(samples):
    training, held_out = samples.split(0.2, key=jax.random.key(0))
    assert (len(training), len(held_out)) == (80, 20)
    both = np.concatenate([training.parameters, held_out.parameters])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(samples.parameters, axis=0))
    assert not np.array_equal(held_out.parameters, samples.parameters[:20])
    assert training.provenance == samples.provenance
    np.testing.assert_allclose(held_out.signals, samples.model.signal(held_out.parameters), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0, 0.001])
def test_a_split_leaves_no_side_empty(samples, share):
    with pytest.raises(RaofitError, match="leaves samples on both sides"):
        samples.split(share, key=jax.random.key(0))


def test_take(samples):
    some = samples.take(samples.parameters[:, 0] > 0.3)
    assert 0 < len(some) < 100
    assert np.all(some.parameters[:, 0] > 0.3)
    np.testing.assert_array_equal(samples.take(np.array([7, 2])).bound, samples.bound[[7, 2]])


def test_arrays_that_do_not_fit_are_refused(samples):
    with pytest.raises(ProtocolError, match=r"`signals` of shape \(100, 6\).*got \(100, 5\)"):
        TrainingSet(
            samples.parameters, samples.signals[:, :5], samples.bound, samples.component, samples.model, samples.prior
        )


@pytest.mark.parametrize(("n_samples", "chunk"), [(0, 8), (8, 0)])
def test_numbers_below_one_are_refused(samples, n_samples, chunk):
    with pytest.raises(RaofitError, match="at least 1 sample and 1 per chunk"):
        next(simulate_training_set(samples.model, samples.prior, n_samples, key=KEY, chunk=chunk))


def test_a_prior_of_another_model_is_refused(samples):
    prior = Prior.typical(IVIM([0, 100]))
    with pytest.raises(ProtocolError, match="the prior is about S0, f, D_slow, D_fast, but the model"):
        next(simulate_training_set(samples.model, prior, 8, key=KEY))


def test_a_signal_that_is_not_finite_is_refused():
    rate = Parameter("R", "1/s", (0.0, 1e9), (1e3, 1e4), "R", "rate")
    model = FunctionModel(lambda parameters, t: np.float32(1) * np.e ** (parameters[0] * t), [rate], {"t": [1.0, 2.0]})
    with pytest.raises(RaofitError, match=r"no finite signal at R = \d+.*narrow the prior"):
        simulate_chunk(model, Prior.typical(model), 0, key=KEY, chunk=8)
