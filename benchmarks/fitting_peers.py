"""One function per way of fitting IVIM, from magnitudes (n, 10) to estimates (n, 4) in the order S0, f, D_slow, D_fast.

`PEERS` names them; each imports what it needs, so a missing package skips its row only. A package that fits
D* = D_fast + D_slow has its D_slow subtracted from its D*. Units inside a function are those the package expects.
"""

import contextlib
import dataclasses
import io
from collections.abc import Callable

import numpy as np
import scipy.optimize
import scipy.special
import threadpoolctl

from benchmarks.voxels import B_VALUES, BOUNDS, PRIOR, SIGMA, draw

_SCALED_B = B_VALUES * 1e-3  # ms/µm², so that all parameters are of order 1 to 100, as in the paper's code
_TO_SCALED = np.array([1.0, 1.0, 1e3, 1e3])
_MIDDLE = PRIOR.mean(axis=1)


@dataclasses.dataclass(frozen=True)
class Peer:
    """`prepare()` does what a user does once (training, compiling) and returns the function that is timed."""

    label: str
    n_timed: int
    prepare: Callable[[], Callable[[np.ndarray], np.ndarray]]


def _scaled_signal(p: np.ndarray) -> np.ndarray:
    return p[0] * (p[1] * np.exp(-_SCALED_B * (p[2] + p[3])) + (1 - p[1]) * np.exp(-_SCALED_B * p[2]))


def _scaled_jacobian(p: np.ndarray) -> np.ndarray:
    both, slow = np.exp(-_SCALED_B * (p[2] + p[3])), np.exp(-_SCALED_B * p[2])
    total = p[1] * both + (1 - p[1]) * slow
    return np.stack([total, p[0] * (both - slow), -_SCALED_B * p[0] * total, -_SCALED_B * p[0] * p[1] * both], axis=-1)


def _voxel_by_voxel(fit_one: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def fit(magnitudes):
        with threadpoolctl.threadpool_limits(1):  # threads only slow such small linear algebra down
            return np.array([fit_one(row) for row in magnitudes]) / _TO_SCALED

    return fit


def scipy_minimize():
    """The paper's recipe: L-BFGS-B on the Rician likelihood, differences for gradients, mid-range start."""

    def fit_one(magnitude):
        def negative_log_likelihood(p):
            s = _scaled_signal(p)
            z = magnitude * s / SIGMA**2
            return np.sum((magnitude - s) ** 2 / (2 * SIGMA**2) - np.log(scipy.special.i0e(z)))

        bounds = scipy.optimize.Bounds(*(BOUNDS * _TO_SCALED[:, None]).T)
        return scipy.optimize.minimize(negative_log_likelihood, _MIDDLE * _TO_SCALED, bounds=bounds).x

    return _voxel_by_voxel(fit_one)


def scipy_least_squares():
    """Trust-region least squares with the analytic Jacobian, mid-range start."""

    def fit_one(magnitude):
        return scipy.optimize.least_squares(
            lambda p: _scaled_signal(p) - magnitude,
            _MIDDLE * _TO_SCALED,
            jac=_scaled_jacobian,
            bounds=(BOUNDS * _TO_SCALED[:, None]).T,
        ).x

    return _voxel_by_voxel(fit_one)


def _dipy(bounds):
    from dipy.core.gradients import gradient_table
    from dipy.reconst.ivim import IvimModel

    directions = np.tile([[1.0, 0.0, 0.0]], (B_VALUES.size, 1)) * (B_VALUES > 0)[:, None]
    table = gradient_table(B_VALUES, bvecs=directions, b0_threshold=0)
    model = IvimModel(table, fit_method="trr", bounds=bounds)

    def fit(magnitudes):
        with threadpoolctl.threadpool_limits(1):
            amplitude, fraction, star, slow = np.moveaxis(model.fit(magnitudes).model_params, -1, 0)
        return np.stack([amplitude, fraction, slow, star - slow], axis=-1)

    return fit


def dipy_default():
    """dipy's IvimModel as it comes."""
    return _dipy(None)


def dipy_bounded():
    """dipy's IvimModel with the shared bounds (order S0, f, D*, D; D* up to the largest sum)."""
    (s0, f, slow, fast) = BOUNDS
    lower, upper = zip(s0, f, (fast[0], fast[1] + slow[1]), slow, strict=True)
    return _dipy((list(lower), list(upper)))


def _osipy(bounds):
    from osipy.ivim import FittingMethod, IVIMFitParams, fit_ivim

    def fit(magnitudes):
        parameters = IVIMFitParams(method=FittingMethod.FULL, bounds=bounds)
        result = fit_ivim(magnitudes[:, None, None, :], B_VALUES, params=parameters)
        amplitude, fraction, slow, star = (
            np.asarray(result_map.values).reshape(-1)
            for result_map in (result.s0_map, result.f_map, result.d_map, result.d_star_map)
        )
        return np.stack([amplitude, fraction, slow, star - slow], axis=-1)

    return fit


def osipy_default():
    """osipy's batched Levenberg-Marquardt as it comes (D* up to 0.1 mm²/s)."""
    return _osipy(None)


def osipy_bounded():
    """osipy's batched Levenberg-Marquardt with the shared bounds."""
    (s0, f, slow, fast) = BOUNDS
    pairs = {"S0": s0, "f": f, "D": slow, "D*": (fast[0], fast[1] + slow[1])}
    return _osipy({name: tuple(map(float, pair)) for name, pair in pairs.items()})


def ivimnet_optimal(n_training: int = 500_000):
    """IVIM-NEToptim trained on signals of the same prior and noise (its authors' settings; best weights kept)."""
    import torch
    from IVIMNET import deep

    torch.manual_seed(0)
    torch.set_num_threads(1)  # faster than two for layers ten wide

    class Settings:
        pass

    settings = Settings()
    settings.net_pars = deep.net_pars("optim")
    settings.train_pars = deep.train_pars("optim")
    settings.train_pars.select_best = True
    settings.fig = False
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        settings = deep.checkarg(settings)
        deep.plot_progress = _draw_nothing
        network = deep.learn_IVIM(draw(n_training, seed=2).magnitudes, B_VALUES, settings)

    def fit(magnitudes):
        with contextlib.redirect_stderr(io.StringIO()):
            slow, fraction, star, amplitude = deep.predict_IVIM(magnitudes.copy(), B_VALUES, network, settings)
        unweighted = magnitudes[:, B_VALUES == 0].mean(axis=1)
        return np.stack([amplitude * unweighted, fraction, slow, star - slow], axis=-1)

    return fit


def _draw_nothing(*_progress) -> None:
    """Stands in for the figure IVIM-NET opens after every epoch."""


def _raofit(kind_name: str):
    import raofit

    model = raofit.models.IVIM(B_VALUES)
    noise = raofit.noise.build(kind_name, SIGMA)
    estimator = raofit.MaximumLikelihood(model, noise, bounds=BOUNDS)

    def fit(magnitudes):
        return estimator.estimate(magnitudes.astype(np.float32)).values

    return fit


def raofit_rician():
    """Maximum likelihood with Rician noise."""
    return _raofit("rician")


def raofit_gaussian():
    """Maximum likelihood with Gaussian noise: the same least squares the others solve."""
    return _raofit("gaussian")


def prior_only():
    """The middle of the prior whatever the measurement: what shrinkage alone achieves."""
    return lambda magnitudes: np.tile(_MIDDLE, (len(magnitudes), 1))


PEERS = {
    "prior only": Peer("constant: middle of the prior", 100_000, prior_only),
    "scipy minimize": Peer("SciPy `minimize`, Rician, numeric gradient (the paper's way)", 2000, scipy_minimize),
    "scipy least_squares": Peer("SciPy `least_squares`, analytic Jacobian", 2000, scipy_least_squares),
    "dipy": Peer("dipy `IvimModel` trr, default bounds", 2000, dipy_default),
    "dipy bounded": Peer("dipy `IvimModel` trr, shared bounds", 2000, dipy_bounded),
    "osipy": Peer("osipy `fit_ivim` full, default bounds", 100_000, osipy_default),
    "osipy bounded": Peer("osipy `fit_ivim` full, shared bounds", 100_000, osipy_bounded),
    "ivimnet": Peer("IVIM-NEToptim, trained on the same prior", 100_000, ivimnet_optimal),
    "raofit gaussian": Peer("raofit maximum likelihood, Gaussian", 100_000, raofit_gaussian),
    "raofit rician": Peer("raofit maximum likelihood, Rician", 100_000, raofit_rician),
}
