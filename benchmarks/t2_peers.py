"""One function per way of fitting T2, from magnitudes (n, 30) to estimates (n, 2) in the order S0, T2 (seconds)."""

import contextlib
import io
import logging
import os

import numpy as np
import scipy.optimize
import threadpoolctl

from benchmarks.echoes import ECHO_TIMES, PRIOR, SIGMA
from benchmarks.peer import Peer

_MIDDLE = PRIOR.mean(axis=1)
_MILLISECONDS = 1e3


def scipy_curve_fit():
    """Levenberg-Marquardt, voxel by voxel, from the first echo and 80 ms."""

    def model(echo_times, amplitude, relaxation_time):
        return amplitude * np.exp(-echo_times / relaxation_time)

    def fit_one(row):
        try:
            return scipy.optimize.curve_fit(model, ECHO_TIMES, row, p0=(row[0], 0.08))[0]
        except RuntimeError:
            return np.full(2, np.nan)

    def fit(magnitudes):
        with np.errstate(all="ignore"), threadpoolctl.threadpool_limits(1):
            return np.array([fit_one(row) for row in magnitudes])

    return fit


def numpy_log_linear():
    """Straight lines through the logarithms, weighted with the squared signal, all voxels at once."""

    def fit(magnitudes):
        data = magnitudes.astype(np.float64)
        weights, values = data**2, np.log(np.maximum(data, np.finfo(float).tiny))
        total, first, second = (weights @ ECHO_TIMES**power for power in range(3))
        mean, moment = np.sum(weights * values, axis=1), (weights * values) @ ECHO_TIMES
        rate = (first * mean - total * moment) / (total * second - first**2)
        return np.stack([np.exp((mean + rate * first) / total), 1 / rate], axis=-1)

    return fit


def qmrpy():
    """qmrpy's `T2Mono` as it comes."""
    from qmrpy.models.t2 import T2Mono

    model = T2Mono(ECHO_TIMES * _MILLISECONDS)

    def fit(magnitudes):
        maps = model.fit_image(magnitudes)
        return np.stack([maps["m0"], np.asarray(maps["t2_ms"]) / _MILLISECONDS], axis=-1)

    return fit


def qmri():
    """qmri's `t2.fit` without offset and with the first echo."""
    from qmri.relaxometry import t2

    def fit(magnitudes):
        result = t2.fit(magnitudes, ECHO_TIMES, model="reduced", skip_echoes=0)
        return np.stack([result.amplitude, result.t2], axis=-1)

    return fit


def sepal():
    """sepal's non-linear fit."""
    from sepal.t2star_fit import MultiEchoT2sNonLinear

    fitter = MultiEchoT2sNonLinear(ECHO_TIMES)

    def fit(magnitudes):
        with contextlib.redirect_stdout(io.StringIO()):
            amplitude, relaxation_time = fitter.proc_image(magnitudes.astype(np.float64), dir=None)
        return np.stack([amplitude, relaxation_time], axis=-1)

    return fit


def tedana():
    """tedana's `fit_monoexponential`, all echoes good."""
    from tedana import decay

    logging.disable(logging.INFO)

    def fit(magnitudes):
        good_echoes = np.full(len(magnitudes), ECHO_TIMES.size)
        with contextlib.redirect_stderr(io.StringIO()):
            relaxation_time, amplitude, *_ = decay.fit_monoexponential(
                magnitudes.astype(np.float64)[..., None], ECHO_TIMES * _MILLISECONDS, good_echoes, report=False
            )
        return np.stack([amplitude, relaxation_time / _MILLISECONDS], axis=-1)

    return fit


def mriforge():
    """mriforge's `t2_star_two_parametric_3D` as it comes: 10 000 steps of Adam, all voxels at once, in ms."""
    import torch
    from mrif.quantitative_MRI.mapping import t2_star_two_parametric_3D

    torch.set_num_threads(os.cpu_count() or 1)

    def fit(magnitudes):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            maps = t2_star_two_parametric_3D(
                ECHO_TIMES * _MILLISECONDS, magnitudes[:, None, None], plot_error=False, device=torch.device("cpu")
            )
        values = [maps[name].numpy().reshape(-1) for name in ("S0_map", "T2_star_map")]
        return np.stack([values[0], values[1] / _MILLISECONDS], axis=-1)

    return fit


def _raofit(kind_name: str):
    import raofit

    model = raofit.models.MonoExponentialT2(ECHO_TIMES)
    estimator = raofit.MaximumLikelihood(model, raofit.noise.build(kind_name, SIGMA))
    return lambda magnitudes: estimator.estimate(magnitudes).values


def raofit_rician():
    """Maximum likelihood with Rician noise of known sigma."""
    return _raofit("rician")


def raofit_gaussian():
    """Maximum likelihood with Gaussian noise: the same least squares the others solve."""
    return _raofit("gaussian")


def raofit_slice():
    """The same least squares on data whose sigma is unknown: it is first estimated from 256 of the voxels."""
    import raofit
    from raofit.noise.sigma_estimation import sigma_from_residuals

    model = raofit.models.MonoExponentialT2(ECHO_TIMES)

    def fit(magnitudes):
        some = magnitudes[:: max(1, len(magnitudes) // 256)][:256]
        rough = raofit.MaximumLikelihood(model, raofit.noise.Gaussian(0.01 * float(some.max()))).estimate(some)
        signals = model.signal(rough.values)
        sigma = sigma_from_residuals(some, np.asarray(signals), len(model.parameters), is_magnitude=False)
        return raofit.MaximumLikelihood(model, raofit.noise.Gaussian(sigma)).estimate(magnitudes).values

    return fit


def prior_only():
    """The middle of the prior whatever the measurement: what shrinkage alone achieves."""
    return lambda magnitudes: np.tile(_MIDDLE, (len(magnitudes), 1))


_OTHERS = {
    "scipy": Peer("SciPy `curve_fit`, voxel by voxel", "scipy", scipy_curve_fit),
    "numpy": Peer("NumPy weighted log-linear", "numpy", numpy_log_linear),
    "qmrpy": Peer("qmrpy `T2Mono`", "qmrpy", qmrpy),
    "qmri": Peer("qmri `t2.fit`, no offset", "qmri", qmri),
    "sepal": Peer("sepal `MultiEchoT2sNonLinear`", "sepal", sepal),
    "tedana": Peer("tedana `fit_monoexponential`", "tedana", tedana),
    "mriforge": Peer("mriforge `t2_star_two_parametric_3D`", "mriforge", mriforge),
}
_TWO_CHUNKS = 131_072  # of maximum likelihood: from here on, nothing more is compiled

PEERS = {
    "raofit rician": Peer("raofit maximum likelihood, Rician", "raofit", raofit_rician, warm_up=_TWO_CHUNKS),
    "raofit gaussian": Peer("raofit maximum likelihood, Gaussian", "raofit", raofit_gaussian, warm_up=_TWO_CHUNKS),
    **_OTHERS,
    "prior only": Peer("constant: middle of the prior", "numpy", prior_only, is_yardstick=True),
}
SLICE_PEERS = {
    "raofit gaussian": Peer(
        "raofit maximum likelihood, Gaussian, sigma estimated", "raofit", raofit_slice, warm_up=_TWO_CHUNKS
    ),
    **_OTHERS,
}
