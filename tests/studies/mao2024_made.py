"""Results of the study of Mao 2024 as they would be if every claim held, made of numbers alone."""

import dataclasses

import numpy as np

from raofit.core.status import Status
from raofit.evaluation.evaluate import Evaluation
from raofit.models import QMT
from raofit.studies.mao2024 import (
    BOX_R2F,
    LOW_LAMBDA,
    MSE,
    MSE_CRB,
    NLLS,
    ONE_STEP,
    ONE_STEP_CRB,
    REDUCED,
    SHOWN,
    SNRS,
    TISSUES,
)  # fmt: skip
from raofit.studies.mao2024_experiments import box_parameters
from raofit.studies.mao2024_results import OutsideStudy, StudyResults
from raofit.studies.mao2024_slice import SliceStudy

PARAMETERS = QMT(np.full(8, 0.3), np.full(8, 3e-4), 3.5e-3).parameters
N_DRAWS = 200
BIAS = {MSE: 3.0, MSE_CRB: 1.0, REDUCED: 0.3, LOW_LAMBDA: 0.2, ONE_STEP: 0.05, ONE_STEP_CRB: 0.08, NLLS: 0.0}
STD = {MSE: 0.5, MSE_CRB: 0.6, REDUCED: 1.0, LOW_LAMBDA: 1.02, ONE_STEP: 1.0, ONE_STEP_CRB: 1.02, NLLS: 1.0}
SLOPE = {MSE: 0.5, MSE_CRB: 0.8, REDUCED: 0.95, LOW_LAMBDA: 0.97, ONE_STEP: 1.0, ONE_STEP_CRB: 1.0, NLLS: 1.0}


def evaluation(truths, bias, std, *, crb_std=None, n_draws=N_DRAWS):
    """Bias and std in units of √CRB, which is a tenth of each truth."""
    bound = 0.1 * np.abs(truths) + 1e-12 if crb_std is None else crb_std
    return Evaluation(
        truths=truths,
        bias=bias * bound,
        std=std * bound,
        n_usable=np.full(truths.shape, n_draws),
        share_at_bound=np.full(truths.shape, np.nan),
        status_counts={Status.OK: np.full(len(truths), n_draws)},
        n_repeats=n_draws,
        parameters=PARAMETERS,
        crb_std=bound,
    )


def truths(n, seed=0):
    """Tissue-like parameters."""
    low, high = np.array([parameter.typical for parameter in PARAMETERS]).T
    return np.random.default_rng(seed).uniform(low + 0.1 * (high - low), high, (n, len(low)))


def of_method(name, n=300, factor=1.0):
    """Bias of the named size with random signs, on top of a slope below 1."""
    rows = truths(n)
    random = np.random.default_rng(1)
    signs = random.choice([-1.0, 1.0], rows.shape)
    centered = (rows - rows.mean(axis=0)) * (SLOPE[name] - 1.0)
    spread = 1.0 + 0.05 * random.normal(size=rows.shape)
    found = evaluation(rows, factor * BIAS[name] * signs, STD[name] * spread)
    return dataclasses.replace(found, bias=found.bias + centered)


def results(*, with_slice=True):
    """Everything."""
    methods = (MSE, MSE_CRB, REDUCED, LOW_LAMBDA, ONE_STEP, ONE_STEP_CRB)
    random = np.random.default_rng(2)
    boxes = {}
    for name, size in ((MSE_CRB, 1.0), (REDUCED, 0.1)):
        truth = box_parameters()[:, : len(SHOWN)]
        drift = np.linspace(-1, 1, len(BOX_R2F))[:, None] * size
        draws = truth * (1 + 0.1 * drift)
        boxes[name] = draws[:, None] + 0.05 * truth[:, None] * random.normal(size=(len(truth), 400, len(SHOWN)))
    snrs = {name: np.linspace(10, 50, 9) for name in (MSE_CRB, REDUCED)}
    snrs |= {name: np.array([10.0, 20.0, 50.0]) for name in (ONE_STEP, NLLS)}
    tissues = {}
    for tissue, values in TISSUES.items():
        tissues[tissue] = {}
        for name, points in snrs.items():
            rows = np.tile(np.array(values), (len(points), 1))
            bound = np.where(rows == 0, 1.0, np.abs(rows)) * (2.4 / points[:, None])
            width = np.full(rows.shape, STD[name])
            if name == NLLS:
                width[:, SHOWN.index("T2s")] = 1.05  # within the aim, and further from 1 than the network
            tissues[tissue][name] = evaluation(rows, BIAS[name], width, crb_std=bound)
    inside = np.arange(200) < 120
    outside = {}
    for name in (MSE_CRB, REDUCED):
        found = of_method(name, 200)
        outside[name] = dataclasses.replace(found, bias=found.bias * (1 + 2 * ~inside)[:, None])
    return StudyResults(
        held_out={snr: {name: of_method(name) for name in methods} for snr in SNRS},
        random_snr={name: of_method(name) for name in (MSE_CRB, REDUCED, LOW_LAMBDA)},
        boxes=boxes,
        tissues=tissues,
        tissue_snrs=snrs,
        outside=OutsideStudy(np.linspace(0, 6, 200), inside, 0.18, outside),
        measured_slice=brain_slice() if with_slice else None,
        trainings={},
    )


def brain_slice():
    """60 voxels, three of them flagged; networks err by a multiple of √CRB."""
    mask = np.zeros((12, 10), bool)
    mask[1:11, 2:8] = True
    random = np.random.default_rng(3)
    truth = truths(60)[:, : len(SHOWN)]
    bound = 0.1 * truth
    sizes = {MSE_CRB: 1.0, REDUCED: 0.3, ONE_STEP: 0.1}
    values = {name: truth + size * bound * random.choice([-1, 1], truth.shape) for name, size in sizes.items()}
    index = SHOWN.index("T2s")
    values[REDUCED][:, index] = truth[:, index] + 2 * bound[:, index]
    flagged = np.arange(60) < 3
    return SliceStudy(
        mask=mask, values={NLLS: truth} | values, bound=bound, status=np.full(60, int(Status.OK), np.uint8),
        chi_square=np.where(flagged, 4.0, 1.0), is_flagged=flagged, sigma=1e-7, snr=np.full(60, 30.0),
        seconds={MSE_CRB: 0.1, REDUCED: 0.1, NLLS: 100.0, ONE_STEP: 3.0}, first_seconds={MSE_CRB: 1.0, REDUCED: 1.0},
    )  # fmt: skip
