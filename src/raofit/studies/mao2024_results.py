"""Everything the study of Mao et al. (2024) measured, and the numbers read off it."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.bootstrap import Interval, bootstrap_interval
from raofit.evaluation.evaluate import Evaluation
from raofit.evaluation.weighted import WeightedSummary, plain_summaries, squared_bias_ratio, weighted_summary
from raofit.studies.mao2024 import BOX_R2F, MSE_CRB, NLLS, REDUCED, SHOWN, TEST_LEVEL, Scale
from raofit.studies.mao2024_recipes import n_inputs
from raofit.studies.mao2024_slice import SliceStudy
from raofit.studies.welch import welch_p_values


@dataclasses.dataclass(frozen=True)
class OutsideStudy:
    """Supplementary figure 1: fingerprints in and beyond the training range.

    Parameters
    ----------
    distance : length of the vector of z-scores.
    is_inside : whether the truncated training distributions can draw it.
    share_excluded : draws that were left out because no tissue is like that.
    """

    distance: Float[np.ndarray, " truth"]
    is_inside: Bool[np.ndarray, " truth"]
    share_excluded: float
    evaluations: Mapping[str, Evaluation]

    def squared_bias(self, method: str, *, inside: bool) -> Interval:
        """Mean CRB-weighted squared bias over parameters and the fingerprints on one side."""
        of_truths = self.evaluations[method].weighted_squared_bias[:, : len(SHOWN)].mean(axis=1)
        chosen = of_truths[self.is_inside if inside else ~self.is_inside]
        if not chosen.size:
            return Interval(float("nan"), float("nan"), float("nan"))
        return bootstrap_interval(chosen)


@dataclasses.dataclass(frozen=True)
class StudyResults:
    """What was measured.

    Parameters
    ----------
    held_out : by SNR and method, on fingerprints of tissue; one-step estimation on the first of them only.
    random_snr : by method, on the same fingerprints, each at its own SNR.
    boxes : estimates of figure 1 by method.
    tissues : by tissue and method; the truths are the SNRs of figure 2 in `tissue_snrs`.
    tissue_snrs : by method.
    outside : supplementary figure 1.
    measured_slice : figure 4, if there is a slice.
    trainings : by network: noisy measurements it was trained on, seconds, and weights.
    """

    held_out: Mapping[float, Mapping[str, Evaluation]]
    random_snr: Mapping[str, Evaluation]
    boxes: Mapping[str, Float[np.ndarray, "value draw parameter"]]
    tissues: Mapping[str, Mapping[str, Evaluation]]
    tissue_snrs: Mapping[str, Float[np.ndarray, " snr"]]
    outside: OutsideStudy
    measured_slice: SliceStudy | None
    trainings: Mapping[str, Mapping[str, float]]

    @cached_property
    def weighted(self) -> dict[float, dict[str, dict[str, WeightedSummary]]]:
        """CRB-weighted bias, variance and slope by SNR, method and parameter."""
        return {
            snr: {name: weighted_summary(of, SHOWN) for name, of in by_method.items()}
            for snr, by_method in self.held_out.items()
        }

    @cached_property
    def weighted_at_random_snr(self) -> dict[str, dict[str, WeightedSummary]]:
        """The same for figure 3, by method and parameter."""
        return {name: weighted_summary(of, SHOWN) for name, of in self.random_snr.items()}

    @cached_property
    def bias_ratios(self) -> dict[float, Interval]:
        """Mean CRB-weighted squared bias of Bias-Reduced over that of MSE-CRB, by SNR."""
        return {
            snr: squared_bias_ratio(by_method[REDUCED], by_method[MSE_CRB], SHOWN)
            for snr, by_method in self.held_out.items()
        }

    @cached_property
    def box_bias(self) -> dict[str, Float[np.ndarray, "value parameter"]]:
        """Bias of figure 1 by method, in units of the parameters."""
        return {name: np.nanmean(values, axis=1) - self._box_truths for name, values in self.boxes.items()}

    @cached_property
    def box_p_values(self) -> Float[np.ndarray, "value parameter"]:
        """Of Welch's tests between the means of the two networks of figure 1."""
        return welch_p_values(self.boxes[MSE_CRB], self.boxes[REDUCED])

    @property
    def _box_truths(self) -> Float[np.ndarray, "value parameter"]:
        white = self.tissues["white matter"][REDUCED].truths[0, : len(SHOWN)]
        truths = np.tile(white, (len(BOX_R2F), 1))
        truths[:, SHOWN.index("R2f")] = BOX_R2F
        return truths


def training_record(networks: Mapping[str, NetworkEstimator], scale: Scale, n_training: int) -> dict[str, dict]:
    """Measurements, time and size of each training; `n_training` fingerprints were in the set."""
    return {
        name: {
            "noisy_measurements": n_inputs(scale.trainings, name, n_training),
            "seconds": float(network.provenance["training_seconds"]),
            "weights": int(np.size(network.weights)),
            "validation_loss": float(network.provenance["validation_loss"]),
        }
        for name, network in networks.items()
    }


def summary(results: StudyResults) -> dict[str, Any]:
    """All numbers as plain values."""
    box_bias = {name: dict(zip(SHOWN, bias.T.tolist(), strict=True)) for name, bias in results.box_bias.items()}
    content = {
        "trainings": results.trainings,
        "held_out": {
            f"{snr:g}": {name: plain_summaries(of) for name, of in by_method.items()}
            for snr, by_method in results.weighted.items()
        },
        "squared_bias_ratio_bias_reduced_to_mse_crb": {
            f"{snr:g}": ratio._asdict() for snr, ratio in results.bias_ratios.items()
        },
        "random_snr": {name: plain_summaries(of) for name, of in results.weighted_at_random_snr.items()},
        "figure_1": {
            "R2f": BOX_R2F,
            "bias": box_bias,
            "p_values": dict(zip(SHOWN, results.box_p_values.T.tolist(), strict=True)),
            "significance_level": TEST_LEVEL,
        },
        "figure_2": {
            tissue: {name: _curves(of, results.tissue_snrs[name]) for name, of in by_method.items()}
            for tissue, by_method in results.tissues.items()
        },
        "figure_S1": {
            "share_excluded": results.outside.share_excluded,
            "n_inside": int(results.outside.is_inside.sum()),
            "n": int(results.outside.is_inside.size),
            "squared_bias": {
                name: {
                    "inside": results.outside.squared_bias(name, inside=True)._asdict(),
                    "outside": results.outside.squared_bias(name, inside=False)._asdict(),
                }
                for name in results.outside.evaluations
            },
        },
    }
    return content if results.measured_slice is None else content | {"figure_4": slice_numbers(results.measured_slice)}


def slice_numbers(study: SliceStudy) -> dict[str, Any]:
    """Numbers of the brain slice."""
    distances = {name: study.median_distance(name) for name in study.values if name != NLLS}
    statuses, counts = np.unique(study.status, return_counts=True)
    return {
        "n_voxels": int(study.status.size),
        "n_compared": int(study.is_compared.sum()),
        "share_flagged": float(study.is_flagged.mean()),
        "nlls_status_counts": dict(zip(statuses.tolist(), counts.tolist(), strict=True)),
        "sigma": study.sigma,
        "median_snr": float(np.nanmedian(study.snr)),
        "median_reduced_chi_square": float(np.nanmedian(study.chi_square)),
        "median_distance_to_nlls_in_root_crb": {
            name: dict(zip(SHOWN, values.tolist(), strict=True)) for name, values in distances.items()
        },
        "median": {
            name: dict(zip(SHOWN, np.nanmedian(values, axis=0).tolist(), strict=True))
            for name, values in study.values.items()
        },
        "seconds": study.seconds,
        "seconds_of_first_call": study.first_seconds,
    }


def tissue_columns(results: StudyResults) -> dict[str, np.ndarray]:
    """Figure 2 as columns for a CSV file: bias, std and √CRB in percent of the truth."""
    rows: dict[str, list] = {}
    for tissue, by_method in results.tissues.items():
        for method, evaluation in by_method.items():
            curves = _curves(evaluation, results.tissue_snrs[method])
            for index, snr in enumerate(curves["snr"]):
                for parameter in SHOWN:
                    cells = {"tissue": tissue, "method": method, "parameter": parameter, "snr": snr}
                    for quantity in ("bias", "std", "crb_std"):
                        cells[f"{quantity} [%]"] = 100 * curves[parameter][quantity][index]
                    for key, cell in cells.items():
                        rows.setdefault(key, []).append(cell)
    return {key: np.array(values) for key, values in rows.items()}


def relative(evaluation: Evaluation, quantity: str) -> Float[np.ndarray, "snr parameter"]:
    """Bias, std or crb_std of the shown parameters as shares of the truth."""
    return getattr(evaluation, quantity)[:, : len(SHOWN)] / evaluation.truths[:, : len(SHOWN)]


def _curves(evaluation: Evaluation, snrs: Float[np.ndarray, " snr"]) -> dict[str, Any]:
    parts = {quantity: relative(evaluation, quantity) for quantity in ("bias", "std", "crb_std")}
    return {"snr": snrs.tolist()} | {
        name: {quantity: values[:, index].tolist() for quantity, values in parts.items()}
        for index, name in enumerate(SHOWN)
    }
