"""Everything the fingerprinting study measured, and the numbers read off it."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.bootstrap import Interval
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.weighted import WeightedSummary, plain_summaries, squared_bias_ratio, weighted_summary
from raofit.studies.fingerprinting import DICTIONARY, ESTIMATED, MSE_CRB, REDUCED, Scale
from raofit.studies.fingerprinting_scans import FLUIDS, PARENCHYMA, SCAN_TITLES, ScanStudy
from raofit.studies.mao2024_recipes import n_inputs


@dataclasses.dataclass(frozen=True)
class StudyResults:
    """What was measured.

    Parameters
    ----------
    held_out : by SNR and method, on fingerprints of the training ranges; least squares and one-step estimation on the
        first of them only.
    tissues : by tissue and method; the truths are the SNRs `snrs`.
    plane_axes, is_possible : values of T1 and T2, and which combinations are in `plane`.
    plane : by method, at the possible points in order.
    scans : of the digital brain, by name.
    seconds : per voxel, by method.
    n_atoms : sizes of the two dictionaries.
    trainings : by network: noisy measurements it was trained on, seconds, and weights.
    """

    held_out: Mapping[float, Mapping[str, Evaluation]]
    tissues: Mapping[str, Mapping[str, Evaluation]]
    snrs: Float[np.ndarray, " snr"]
    plane_axes: Mapping[str, Float[np.ndarray, " value"]]
    is_possible: Bool[np.ndarray, "T1 T2"]
    plane: Mapping[str, Evaluation]
    scans: Mapping[str, ScanStudy]
    seconds: Mapping[str, float]
    n_atoms: Mapping[str, int]
    trainings: Mapping[str, Mapping[str, float]]

    @cached_property
    def weighted(self) -> dict[float, dict[str, dict[str, WeightedSummary]]]:
        """CRB-weighted bias, variance and slope by SNR, method and parameter."""
        return {
            snr: {name: weighted_summary(of, ESTIMATED) for name, of in by_method.items()}
            for snr, by_method in self.held_out.items()
        }

    @cached_property
    def bias_ratios(self) -> dict[float, Interval]:
        """Mean CRB-weighted squared bias of Bias-Reduced over that of MSE-CRB, by SNR."""
        return {
            snr: squared_bias_ratio(by_method[REDUCED], by_method[MSE_CRB], ESTIMATED)
            for snr, by_method in self.held_out.items()
        }

    def speed_over(self, slower: str, faster: str = REDUCED) -> float:
        """How many times more voxels per second the faster method estimates."""
        return self.seconds[slower] / self.seconds[faster]

    def plane_image(self, method: str, quantity: str, name: str) -> Float[np.ndarray, "T1 T2"]:
        """Bias, std or crb_std of a parameter over the plane in units of the truth; NaN where T2 ≥ T1."""
        evaluation = self.plane[method]
        column = evaluation.parameter_names.index(name)
        image = np.full(self.is_possible.shape, np.nan)
        image[self.is_possible] = (getattr(evaluation, quantity) / evaluation.truths)[:, column]
        return image


def relative(evaluation: Evaluation, quantity: str) -> Float[np.ndarray, "truth parameter"]:
    """Bias, std or crb_std of T1 and T2 as shares of the truth."""
    columns = [evaluation.parameter_names.index(name) for name in ESTIMATED]
    return (getattr(evaluation, quantity) / evaluation.truths)[:, columns]


def training_record(networks: Mapping[str, NetworkEstimator], scale: Scale, n_training: int) -> dict[str, dict]:
    """Measurements, time and size of each training; `n_training` fingerprints were in the set."""
    own = {name: float(network.provenance["training_seconds"]) for name, network in networks.items()}
    starts = {training.name: training.initial for training in scale.trainings}
    return {
        name: {
            "noisy_measurements": n_inputs(scale.trainings, name, n_training),
            "seconds": own[name] + own.get(starts[name] or "", 0.0),
            "weights": int(np.size(network.weights)),
        }
        for name, network in networks.items()
    }


def summary(results: StudyResults) -> dict[str, Any]:
    """All numbers as plain values."""
    return {
        "trainings": results.trainings,
        "held_out": {
            f"{snr:g}": {name: plain_summaries(of) for name, of in by_method.items()}
            for snr, by_method in results.weighted.items()
        },
        "squared_bias_ratio_bias_reduced_to_mse_crb": {
            f"{snr:g}": ratio._asdict() for snr, ratio in results.bias_ratios.items()
        },
        "tissues": {
            tissue: {"truth": _truth(by_method), **{name: _curves(of, results.snrs) for name, of in by_method.items()}}
            for tissue, by_method in results.tissues.items()
        },
        "scans": {SCAN_TITLES[name]: scan_numbers(scan) for name, scan in results.scans.items()},
        "microseconds_per_voxel": {name: 1e6 * value for name, value in results.seconds.items()},
        "n_atoms": dict(results.n_atoms),
    }


def scan_numbers(scan: ScanStudy) -> dict[str, Any]:
    """Errors by region, distances to the dictionary, and flags."""
    present = [name for name in PARENCHYMA if scan.is_in(name).any()]
    return {
        "median_error": {
            method: {region: _by_name(np.nanmedian(scan.errors(method, region), axis=0)) for region in present}
            for method in scan.values
        },
        "spread": {
            method: {region: _by_name(spread(scan.errors(method, region))) for region in present}
            for method in scan.values
        },
        "median_distance_to_dictionary_in_root_crb": {
            method: _by_name(scan.distance(method)) for method in scan.values if method != DICTIONARY
        },
        "share_flagged": {
            method: {"tissue": scan.share_flagged(method, *PARENCHYMA), "fluid": scan.share_flagged(method, *FLUIDS)}
            for method in scan.values
        },
    }


def spread(errors: Float[np.ndarray, "voxel parameter"]) -> Float[np.ndarray, " parameter"]:
    """Half the width that holds the middle 68 % of the voxels."""
    low, high = np.nanquantile(errors, [0.159, 0.841], axis=0)
    return 0.5 * (high - low)


def _by_name(values: Float[np.ndarray, " parameter"]) -> dict[str, float]:
    return dict(zip(ESTIMATED, values.tolist(), strict=True))


def _truth(by_method: Mapping[str, Evaluation]) -> dict[str, float]:
    evaluation = next(iter(by_method.values()))
    return dict(zip(evaluation.parameter_names, evaluation.truths[0].tolist(), strict=True))


def _curves(evaluation: Evaluation, snrs: Float[np.ndarray, " snr"]) -> dict[str, Any]:
    parts = {quantity: relative(evaluation, quantity) for quantity in ("bias", "std", "crb_std")}
    return {"snr": snrs.tolist()} | {
        name: {quantity: values[:, index].tolist() for quantity, values in parts.items()}
        for index, name in enumerate(ESTIMATED)
    }
