"""Mao et al., "Bias-Reduced Neural Networks for Parameter Estimation in Quantitative MRI" (2024): the study as data.

The neighbors: `mao2024_recipes` (how the networks are trained), `mao2024_experiments` (what is simulated),
`mao2024_slice` (the measured brain slice), `mao2024_results` (everything that came out) and `mao2024_claims` (the
statements of the paper and the aims of this study, tested).
"""

import dataclasses

from raofit.studies.mao2024_recipes import DESK, PAPER, QUICK, Training

SHOWN = ("m0s", "R1f", "R2f", "Rx", "R1s", "T2s")
FOLDED = ("omega0",)  # the measurement does not tell its sign
SNRS = (10.0, 20.0, 50.0)
SNR_RANGE = (10.0, 50.0)

MSE, MSE_CRB, REDUCED, LOW_LAMBDA = "mse", "mse-crb", "bias-reduced", "bias-reduced-low"
ONE_STEP, ONE_STEP_CRB, NLLS = "one-step", "one-step-mse-crb", "nlls"
NETWORKS = (MSE, MSE_CRB, REDUCED, LOW_LAMBDA)
STEPS = {ONE_STEP: REDUCED, ONE_STEP_CRB: MSE_CRB}  # and the network each starts from
TITLES = {
    MSE: "MSE",
    MSE_CRB: "MSE-CRB",
    REDUCED: "Bias-Reduced",
    LOW_LAMBDA: "Bias-Reduced, λ/10",
    ONE_STEP: "One step from Bias-Reduced",
    ONE_STEP_CRB: "One step from MSE-CRB",
    NLLS: "Non-linear least squares",
}

# m0s, R1f, R2f, Rx, R1s, T2s, omega0, B1; the second are gray-matter values published by the same group, the paper's
# own being in a supplement that is not public
WHITE_MATTER = (0.2, 1 / 1.92, 1 / 77.6e-3, 16.5, 1 / 0.337, 12.4e-6, 0.0, 1.0)
GRAY_MATTER = (0.098, 1 / 2.46, 1 / 83e-3, 14.0, 1 / 0.42, 14.4e-6, 0.0, 1.0)
TISSUES = {"white matter": WHITE_MATTER, "gray matter": GRAY_MATTER}

BOX_R2F = (5.0, 7.0, 9.0, 11.0, 13.0, 15.0, 17.0, 19.0)  # 1/s
BOX_SNR = 20.0
OUTSIDE_SNR = 20.0
TEST_LEVEL = 0.05 / (len(BOX_R2F) * len(SHOWN))  # Bonferroni, as in the released code


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything.

    Parameters
    ----------
    trainings : the networks in the order of their training.
    rank : coefficients of a measurement (15).
    n_training : fingerprints of the training set (184 320).
    n_held_out, n_draws : fingerprints of tissue the networks are tested on, and noise draws of each.
    n_one_step, n_one_step_draws : the same for one-step estimation, which simulates every voxel.
    n_box_draws : draws per box (1000).
    n_snrs, n_snr_draws : SNRs of figure 2 (41) and draws at each (1000).
    nlls_snrs, n_nlls_draws : the same for least squares and one-step estimation.
    n_outside, n_outside_draws : fingerprints of supplementary figure 1 (500), and noise draws of each.
    slice_chunk : voxels of the brain slice that are fitted, and kept, at once.
    """

    trainings: tuple[Training, ...]
    rank: int = 15
    n_training: int = 184_320
    n_held_out: int = 4096
    n_draws: int = 200
    n_one_step: int = 192
    n_one_step_draws: int = 32
    n_box_draws: int = 1000
    n_snrs: int = 41
    n_snr_draws: int = 1000
    nlls_snrs: tuple[float, ...] = (10.0, 15.0, 20.0, 30.0, 50.0)
    n_nlls_draws: int = 200
    n_outside: int = 500
    n_outside_draws: int = 200
    slice_chunk: int = 2048


SCALES = {
    "quick": Scale(
        QUICK, n_training=4096, n_held_out=512, n_draws=20, n_one_step=16, n_one_step_draws=16, n_box_draws=200,
        n_snrs=5, n_snr_draws=100, nlls_snrs=(20.0, 50.0), n_nlls_draws=64, n_outside=200, n_outside_draws=20,
    ),
    "desk": Scale(DESK),
    "paper": Scale(
        PAPER, n_held_out=16_384, n_one_step=1024, n_one_step_draws=200,
        n_nlls_draws=1000, nlls_snrs=tuple(float(snr) for snr in range(10, 51, 2)),
    ),
}  # fmt: skip
