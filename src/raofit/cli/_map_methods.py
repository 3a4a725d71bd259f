"""How maps were made, in the sentences of a methods section."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raofit import noise
from raofit.cli._map_estimator import ChosenEstimator
from raofit.cli._map_input import MapInput
from raofit.cli._map_summary import MapSummary
from raofit.cli._method_words import (
    cited,
    model_sentences,
    noise_word,
    software_sentence,
    training_sentences,
    with_unit,
)
from raofit.cli._noise_level import NoiseLevel
from raofit.core.references import cited_keys
from raofit.core.status import Status
from raofit.engine import ResidualCheck
from raofit.estimators.dictionary_matching import DictionaryMatching
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.estimators.one_step import OneStep
from raofit.estimators.profile_objective import ProfileObjective
from raofit.estimators.standard_errors import averaged_names
from raofit.information.crb import crb
from raofit.io.text_formats import count_of, share_of
from raofit.models import AbstractSignalModel
from raofit.noise.sigma_estimation import sigma_from_background, sigma_from_repeats
from raofit.report import Paragraph, Snippet
from raofit.report.methods import listed, methods_blocks

_SIGMA_SOURCES = {"repeats": sigma_from_repeats, "background": sigma_from_background}


def map_methods(
    found: MapInput,
    level: NoiseLevel,
    chosen: ChosenEstimator,
    check: ResidualCheck | None,
    limits: np.ndarray,
    summary: MapSummary,
    shared: Mapping[str, Any],
) -> list[Paragraph | Snippet]:
    """The methods paragraph of a run, with its references."""
    names = listed([with_unit(parameter) for parameter in chosen.parameters])
    n_measurements = found.series.shape[3]
    kind = "complex coefficients" if found.is_complex else "volumes"
    what = f"Maps of {names} were estimated voxel by voxel, without spatial regularization"
    where = count_of(summary.n_voxels, "voxel")
    sentences = [
        f"{what}, in {where} from {n_measurements} {kind}.",
        *model_sentences(found.model),
        _noise_sentence(level, chosen),
        *_estimator_sentences(found.model, chosen, limits),
        *_status_sentences(check, summary),
        software_sentence(shared["Versions"]),
    ]
    return methods_blocks(sentences, shared["Versions"])


def _noise_sentence(level: NoiseLevel, chosen: ChosenEstimator) -> str:
    sources = cited_keys(_SIGMA_SOURCES[level.source]) if level.source in _SIGMA_SOURCES else []
    keys = cited_keys(noise.NOISE_MODELS[chosen.noise_name])
    return (
        f"The noise model was {noise_word(chosen.noise_name)}{cited(keys)}, with {level.sentence}{cited(sources)}; the "
        f"median SNR was {level.snr:.3g}."
    )


def _estimator_sentences(model: AbstractSignalModel, chosen: ChosenEstimator, limits: np.ndarray) -> list[str]:
    free = [
        f"{parameter.name} {low:g} to {high:g}{'' if parameter.unit == '1' else f' {parameter.unit}'}"
        for parameter, (low, high) in zip(chosen.parameters, limits, strict=True)
        if parameter.name not in chosen.fixed and np.all(np.isfinite((low, high)))
    ]
    within = f", within {listed(free)}" if free else ""
    known = f"; {listed(sorted(chosen.fixed))} taken as known" if chosen.fixed else ""
    cites = cited(_precise(cited_keys(crb)))
    errors = f"Standard errors are roots of the Cramér–Rao bound at the estimate{cites}."
    network = chosen.network
    trained = [] if network is None else training_sentences(network)
    match chosen.name:
        case "mle":
            keys = cited_keys(
                ProfileObjective if noise.NOISE_MODELS[chosen.noise_name].is_complex else MaximumLikelihood
            )
            start = "" if network is None else ", each fit started at the estimate of a neural network"
            averaged = listed([name for name in averaged_names(model, limits) if name not in chosen.fixed])
            beside = f", of {averaged} averaged one standard error below and above it" if averaged else ""
            errors = f"Standard errors are roots of the Cramér–Rao bound at the estimate{cites}{beside}."
            return [f"Estimates are those of maximum likelihood{cited(keys)}{start}{within}{known}.", errors, *trained]
        case "dictionary":
            keys = cited_keys(DictionaryMatching)[:1]
            n_atoms = chosen.settings["Atoms"]
            match_ = f"Estimates are those of a dictionary of {n_atoms} simulated signals{cited(keys)}"
            return [f"{match_}, interpolated between atoms{within}{known}.", errors]
        case "one-step":
            keys = cited_keys(OneStep)
            step = f"Estimates are one step of Fisher scoring{cited(keys)} from that of a neural network{within}."
            return [step, errors, *trained]
    scatter = "Its standard errors state scatter as calibrated in simulations, not bias."
    return ["Estimates are those of a neural network.", *trained, scatter]


def _precise(keys: Sequence[str]) -> list[str]:
    """The textbook alone, where a docstring names more."""
    return [key for key in keys if key == "kay1993"] or list(keys)


def _status_sentences(check: ResidualCheck | None, summary: MapSummary) -> list[str]:
    shares = [
        f"{share_of(count, summary.n_voxels)} {status.name.replace('_', ' ').lower()}"
        for status, count in summary.counts.items()
        if status is not Status.OK
    ]
    sentences = []
    if check is not None and check.degrees_of_freedom > 0:
        test = f"{check.degrees_of_freedom} degrees of freedom, false-alarm rate {check.false_alarm_rate:.2%}"
        cites = cited(cited_keys(type(check)))
        sentences.append(f"The fit of each voxel was tested by its reduced chi-square ({test}){cites}.")
    marked = f"; the others were marked: {listed(shares)}" if shares else ""
    share = share_of(summary.counts.get(Status.OK, 0), summary.n_voxels)
    sentences.append(f"{share} of the voxels had no reservation{marked}.")
    return sentences
