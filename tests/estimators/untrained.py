"""An estimator with random weights: everything but the quality of its answers can be tested on it."""

import jax
import numpy as np

from raofit.estimators.network import NetworkEstimator
from raofit.models import IVIM
from raofit.noise import NOISE_MODELS
from raofit.training.networks import Perceptron
from raofit.training.prior import Prior

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
