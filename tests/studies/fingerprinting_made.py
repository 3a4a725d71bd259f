"""Results of the fingerprinting study as they would be if every claim held, made of numbers alone."""

import numpy as np

from raofit.core.status import Status
from raofit.evaluation.evaluate import Evaluation
from raofit.models import MRFFISP
from raofit.studies.brain_phantom import brain_phantom
from raofit.studies.fingerprinting import (
    DICTIONARY,
    FINE_DICTIONARY,
    METHODS,
    MSE,
    MSE_CRB,
    NETWORKS,
    NLLS,
    ONE_STEP,
    PLANE_METHODS,
    REDUCED,
    SNRS,
    plane_axes,
    plane_points,
    prior,
    tissue_values,
)
from raofit.studies.fingerprinting_results import StudyResults
from raofit.studies.fingerprinting_scans import (
    B1_IGNORED,
    CALIBRATED,
    DICTIONARY_B1,
    FLUIDS,
    NLLS_B1,
    UNDERSAMPLED,
    ScanStudy,
)

TRAIN = MRFFISP(np.full(8, 0.3), 0.012, b1=1.0)
N_DRAWS = 200
BIAS = {MSE: 2.0, MSE_CRB: 0.5, REDUCED: 0.1, ONE_STEP: 0.02, NLLS: 0.0, DICTIONARY: 0.01}  # in units of √CRB
STD = {MSE: 0.9, MSE_CRB: 0.95, REDUCED: 1.0, ONE_STEP: 1.0, NLLS: 1.0, DICTIONARY: 1.0}
SECONDS = {MSE: 2e-7, MSE_CRB: 2e-7, REDUCED: 2e-7, ONE_STEP: 4e-4, NLLS: 1e-3, DICTIONARY: 5e-5, FINE_DICTIONARY: 8e-5}
SNR_POINTS = np.array([10.0, 30.0, 50.0])


def evaluation(truths, bias, std, bound=None):
    """Bias and std in units of √CRB, which is a twentieth of each truth."""
    bound = 0.05 * truths if bound is None else bound
    random = np.random.default_rng(1)
    return Evaluation(
        truths=truths,
        bias=bias * bound * random.choice([-1.0, 1.0], truths.shape),
        std=std * bound,
        n_usable=np.full(truths.shape, N_DRAWS),
        share_at_bound=np.full(truths.shape, np.nan),
        status_counts={Status.OK: np.full(len(truths), N_DRAWS)},
        n_repeats=N_DRAWS,
        parameters=TRAIN.parameters,
        crb_std=bound,
    )


def truths(n):
    """Of the training ranges."""
    low, high = np.array(prior().ranges).T
    return np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), (n, 2)))


def scan(name):
    """The small brain; every method errs by its multiple of √CRB, and networks mark fluid."""
    phantom = brain_phantom(32)
    truth = phantom.parameters[phantom.mask][:, :2]
    bound = 0.04 * truth
    methods = (*METHODS, DICTIONARY_B1, NLLS_B1) if name == B1_IGNORED else METHODS
    signs = np.random.default_rng(2).choice([-1.0, 1.0], truth.shape)
    values = {method: truth + (BIAS.get(method, 0.0)) * bound * signs for method in methods}
    is_fluid = phantom.mask_of(*FLUIDS)[phantom.mask]
    marked = np.where(is_fluid, Status.OUT_OF_RANGE, Status.OK).astype(np.uint8)
    status = {method: marked if method in NETWORKS else np.zeros_like(marked) for method in methods}
    return ScanStudy(phantom.mask, phantom.region[phantom.mask], phantom.names, truth, values, status, bound)


def results():
    """Everything."""
    axes = plane_axes(6)
    points, is_possible = plane_points(axes)
    tissues = {}
    for tissue, values in tissue_values().items():
        rows = np.tile(np.array(values), (len(SNR_POINTS), 1))
        tissues[tissue] = {m: evaluation(rows, BIAS[m], STD[m], rows / SNR_POINTS[:, None]) for m in METHODS}
    of = {"noisy_measurements": 2e7, "seconds": 100.0, "weights": 9538}
    return StudyResults(
        held_out={snr: {m: evaluation(truths(300), BIAS[m], STD[m]) for m in METHODS} for snr in SNRS},
        tissues=tissues,
        snrs=SNR_POINTS,
        plane_axes=axes,
        is_possible=is_possible,
        plane={m: evaluation(points, BIAS[m], STD[m]) for m in PLANE_METHODS},
        scans={name: scan(name) for name in (CALIBRATED, B1_IGNORED, UNDERSAMPLED)},
        seconds=SECONDS,
        n_atoms={DICTIONARY: 12_345, FINE_DICTIONARY: 98_765},
        trainings=dict.fromkeys(("start", *NETWORKS), of),
    )
