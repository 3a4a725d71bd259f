"""What every noise model promises."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.core.references import cite, cited_keys
from raofit.noise import NOISE_MODELS, build

SIGNAL = np.linspace(0.2, 2.0, 5).astype(np.float32)


@pytest.fixture(params=NOISE_MODELS)
def kind(request):
    return NOISE_MODELS[request.param]


def test_name_builds_the_model(kind):
    assert type(build(kind.name, 0.1)) is kind


def test_citations_resolve(kind):
    assert cite(kind).count("@") == len(cited_keys(kind))


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_shapes_and_types(kind, batch):
    noise = kind(0.1)
    signal = jnp.broadcast_to(jnp.asarray(SIGNAL), (*batch, 5))
    measurement = noise.sample(jax.random.key(0), signal)
    assert measurement.shape == signal.shape
    assert jnp.iscomplexobj(measurement) == noise.is_complex
    assert noise.log_density(measurement, signal).shape == signal.shape
    assert noise.log_likelihood(measurement, signal).shape == batch
    assert noise.score(measurement, signal).shape == signal.shape
    assert noise.information(signal).shape == signal.shape
    assert noise.log_likelihood(measurement, signal).dtype == jnp.float32
    if noise.is_magnitude:
        assert np.all(measurement >= 0)


def test_same_key_same_sample(kind):
    noise = kind(0.1)
    first, second, other = (noise.sample(jax.random.key(seed), SIGNAL) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert not np.any(np.asarray(first) == np.asarray(other))


def test_sigma_map_equals_voxel_by_voxel(kind):
    sigmas = np.array([[0.05, 0.1, 0.2], [0.3, 0.4, 0.5]], dtype=np.float32)
    signal = jnp.broadcast_to(jnp.asarray(SIGNAL), (2, 3, 5))
    measurement = kind(sigmas).sample(jax.random.key(3), signal)
    together = kind(sigmas)
    for index in np.ndindex(2, 3):
        alone = kind(float(sigmas[index]))
        for name in ("log_density", "score"):
            np.testing.assert_allclose(
                getattr(together, name)(measurement, signal)[index],
                getattr(alone, name)(measurement[index], signal[index]),
                rtol=1e-5,
            )
        np.testing.assert_allclose(together.information(signal)[index], alone.information(signal[index]), rtol=1e-5)


def test_compiled_equals_eager(kind):
    noise = kind(0.1)
    signal = jnp.asarray(SIGNAL)
    measurement = noise.sample(jax.random.key(5), signal)
    for name in ("log_density", "score"):
        compiled = eqx.filter_jit(getattr(noise, name))(measurement, signal)
        with jax.disable_jit():
            eager = getattr(noise, name)(measurement, signal)
        np.testing.assert_allclose(compiled, eager, rtol=1e-4, atol=1e-4)


def test_log_likelihood_is_the_sum_of_log_densities(kind):
    noise = kind(0.1)
    signal = jnp.asarray(SIGNAL)
    measurement = noise.sample(jax.random.key(6), signal)
    expected = np.sum(np.asarray(noise.log_density(measurement, signal)))
    np.testing.assert_allclose(noise.log_likelihood(measurement, signal), expected, rtol=1e-6)


def test_score_is_the_derivative_of_the_log_density(kind):
    with jax.enable_x64(True):
        noise = kind(0.3)
        signal = jnp.asarray(SIGNAL.astype(np.float64))
        measurement = noise.sample(jax.random.key(7), signal)
        slope = jax.vmap(jax.grad(lambda s, m: noise.log_density(m, s)))(signal, measurement)
        np.testing.assert_allclose(jnp.real(noise.score(measurement, signal)), slope, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf])
def test_impossible_sigma_is_refused(kind, sigma):
    with pytest.raises(RaofitError, match="standard deviation > 0"):
        kind(sigma)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(RaofitError, match=r"`poisson`.*rician"):
        build("poisson", 1.0)
