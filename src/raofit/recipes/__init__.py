"""Trainings with a name, and whole workflows: how a network is trained and its card measured."""

from raofit.recipes.published import (
    compact_bias_reduced,
    compact_mse_crb,
    fingerprinting_bias_reduced,
    fingerprinting_mse_crb,
    mao2024_bias_reduced,
    mao2024_mse_crb,
    zhang2022,
)

__all__ = [
    "compact_bias_reduced",
    "compact_mse_crb",
    "fingerprinting_bias_reduced",
    "fingerprinting_mse_crb",
    "mao2024_bias_reduced",
    "mao2024_mse_crb",
    "zhang2022",
]
