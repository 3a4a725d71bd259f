"""Noise models: how likely a measurement is, given its noise-free signal."""

from raofit.core.errors import RaofitError
from raofit.noise._noise import AbstractNoise
from raofit.noise.complex_gaussian import ComplexGaussian
from raofit.noise.gaussian import Gaussian
from raofit.noise.rician import Rician

NOISE_MODELS: dict[str, type[AbstractNoise]] = {kind.name: kind for kind in (ComplexGaussian, Gaussian, Rician)}


def build(name: str, sigma) -> AbstractNoise:
    """The noise model `name` ("gaussian", "complex-gaussian" or "rician") with standard deviation `sigma`."""
    if name not in NOISE_MODELS:
        raise RaofitError(f"noise `{name}`: expected one of {', '.join(sorted(NOISE_MODELS))}")
    return NOISE_MODELS[name](sigma)


__all__ = ["NOISE_MODELS", "AbstractNoise", "ComplexGaussian", "Gaussian", "Rician", "build"]
