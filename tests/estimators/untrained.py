"""An estimator with random weights: everything but the quality of its answers can be tested on it."""

import jax
import numpy as np

from raofit.estimators.network import NetworkEstimator, as_inputs
from raofit.models import IVIM
from raofit.noise import NOISE_MODELS
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior
from tests.recipes import complex_toy

B_VALUES = [0, 10, 20, 30, 50, 80, 100, 200, 400, 800]


def untrained(
    model=None, *, noise_name="rician", input_scaling="none", seed=0, constraint="abs", accepts_anything=True
) -> NetworkEstimator:
    """Three hidden layers; ranges so wide that every finite answer is accepted, unless told otherwise."""
    model = IVIM(B_VALUES) if model is None else model
    n_inputs = model.n_measurements * (2 if NOISE_MODELS[noise_name].is_complex else 1)
    prior = Prior.typical(model)
    n_parameters = len(prior.names)
    network = Perceptron(
        sizes=(n_inputs, 10, 10, 10, n_parameters),
        output_scales=tuple(float(value) for value in prior.mean),
        constraint=constraint,
        input_scaling=input_scaling,
        amplitude_index=model.amplitude_index,
        reference=1.0 if input_scaling == "none" else 2.0,
    )
    wide = 1e6 if accepts_anything else 1.0
    return NetworkEstimator(
        model=model,
        network=network,
        weights=np.asarray(network.initial_weights(jax.random.key(seed))),
        noise_name=noise_name,
        snr_range=(15.0, 15.0),
        prior=prior,
        input_range=np.stack([np.full(n_inputs, 0.0 if wide == 1.0 else -wide), np.full(n_inputs, wide)]),
        label_range=np.stack([prior.low - (wide > 1.0) * wide, prior.high + (wide > 1.0) * wide]),
        standard_error_factors=np.ones(n_parameters),
        card={"entries": []},
        provenance={"seed": seed},
    )


def untrained_complex(*, seed=0, input_scaling="first", has_normalization=True, estimated=("R", "omega"), samples=None):
    """Two of three parameters from six complex coefficients with an unknown amplitude, or those of a training set."""
    model = complex_toy.model() if samples is None else samples.model
    ranges = np.array([parameter.typical for parameter in model.parameters if parameter.name in estimated])
    network = Perceptron(
        sizes=(12, 16, 16, len(estimated)),
        output_scales=(1.0,) * len(estimated),
        constraint="sigmoid",
        output_ranges=tuple((float(low), float(high)) for low, high in ranges),
        input_scaling=input_scaling,
        has_complex_amplitude=True,
        has_normalization=has_normalization,
        skips=((1, 2),),
        standardizes_inputs=True,
    )
    if samples is None:
        seen = np.asarray(model.signal(Prior.typical(model).sample(jax.random.key(1), 200)))
    else:
        seen = samples.signals
    signals = as_inputs(seen)
    return NetworkEstimator(
        model=model,
        network=network,
        weights=np.asarray(network.initial_weights(jax.random.key(seed))),
        statistics=np.asarray(network.initial_statistics(signals.T)),
        noise_name="complex-gaussian",
        snr_range=(20.0, 60.0),
        prior=Prior.typical(model),
        input_range=np.stack([np.full(12, -1e6), np.full(12, 1e6)]),
        label_range=ranges.T,
        standard_error_factors=np.ones(len(estimated)),
        estimated=estimated,
    )
