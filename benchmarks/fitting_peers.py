"""One function per way of fitting IVIM, from magnitudes (n, 10) to estimates (n, 4) in the order S0, f, D_slow, D_fast.

`PEERS` names them; each imports what it needs, so a missing package skips its row only. A package that fits
D* = D_fast + D_slow has its D_slow subtracted from its D*. Units inside a function are those the package expects.
"""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.optimize
import scipy.special
import threadpoolctl

from benchmarks.peer import Peer
from benchmarks.voxels import B_VALUES, BOUNDS, NAMES, PRIOR, SIGMA, draw

_SCALED_B = B_VALUES * 1e-3  # ms/µm², so that all parameters are of order 1 to 100, as in the paper's code
_TO_SCALED = np.array([1.0, 1.0, 1e3, 1e3])
_MIDDLE = PRIOR.mean(axis=1)


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


def dmipy_fit():
    """dmipy-fit's two balls with the shared bounds (D* up to the largest sum), its default solver; SI units."""
    from dmipy_fit.core.acquisition_scheme import acquisition_scheme_from_bvalues
    from dmipy_fit.core.modeling_framework import MultiCompartmentModel
    from dmipy_fit.signal_models.gaussian_models import G1Ball

    (_, _, slow, fast) = BOUNDS * 1e-6
    with contextlib.redirect_stdout(io.StringIO()):
        scheme = acquisition_scheme_from_bvalues(
            B_VALUES * 1e6, np.tile([[1.0, 0.0, 0.0]], (B_VALUES.size, 1)), min_b_shell_distance=1e6, b0_threshold=0
        )
        model = MultiCompartmentModel([G1Ball(), G1Ball()])
        model.set_parameter_optimization_bounds("G1Ball_1_lambda_iso", list(slow))
        model.set_parameter_optimization_bounds("G1Ball_2_lambda_iso", [fast[0], fast[1] + slow[1]])

    def fit(magnitudes):
        with contextlib.redirect_stdout(io.StringIO()), threadpoolctl.threadpool_limits(1):
            found = model.fit(scheme, magnitudes.astype(np.float64))
        slow, star = (found.fitted_parameters[f"G1Ball_{index}_lambda_iso"] * 1e6 for index in (1, 2))
        return np.stack([found.S0, found.fitted_parameters["partial_volume_1"], slow, star - slow], axis=-1)

    return fit


def ivimfit():
    """ivimfit's free biexponential fit as it comes: SciPy's `curve_fit` on the signal over its first value."""
    from ivimfit.biexp import fit_biexp_free

    def fit(magnitudes):
        with threadpoolctl.threadpool_limits(1):
            fraction, slow, star = np.array([fit_biexp_free(B_VALUES, row) for row in magnitudes]).T
        return np.stack([magnitudes[:, 0], fraction, slow, star - slow], axis=-1)

    return fit


def train_ivimnet(path: Path, n_training: int = 500_000) -> None:
    """IVIM-NEToptim on signals of the same prior and noise (its authors' settings; best weights kept)."""
    import torch
    from IVIMNET import deep

    torch.manual_seed(0)
    settings = _ivimnet_settings()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        deep.plot_progress = _draw_nothing
        network = deep.learn_IVIM(draw(n_training, seed=2).magnitudes, B_VALUES, settings)
    torch.save(network, path)


def ivimnet_optimal(path: Path):
    """Inference with the trained network."""
    import torch
    from IVIMNET import deep

    settings = _ivimnet_settings()
    network = torch.load(path, weights_only=False)

    def fit(magnitudes):
        with contextlib.redirect_stderr(io.StringIO()):
            slow, fraction, star, amplitude = deep.predict_IVIM(magnitudes.copy(), B_VALUES, network, settings)
        unweighted = magnitudes[:, B_VALUES == 0].mean(axis=1)
        return np.stack([amplitude * unweighted, fraction, slow, star - slow], axis=-1)

    return fit


def _ivimnet_settings():
    import torch
    from IVIMNET import deep

    torch.set_num_threads(1)  # faster than two for layers ten wide

    class Settings:
        pass

    settings = Settings()
    settings.net_pars = deep.net_pars("optim")
    settings.train_pars = deep.train_pars("optim")
    settings.train_pars.select_best = True
    settings.fig = False
    with contextlib.redirect_stdout(io.StringIO()):
        return deep.checkarg(settings)


def _draw_nothing(*_progress) -> None:
    """Stands in for the figure IVIM-NET opens after every epoch."""


def _raofit(kind_name: str):
    import raofit

    model = raofit.models.IVIM(B_VALUES)
    noise = raofit.noise.build(kind_name, SIGMA)
    estimator = raofit.MaximumLikelihood(model, noise, bounds=BOUNDS)

    return lambda magnitudes: estimator.estimate(magnitudes).values


def raofit_rician():
    """Maximum likelihood with Rician noise."""
    return _raofit("rician")


def raofit_gaussian():
    """Maximum likelihood with Gaussian noise: the same least squares the others solve."""
    return _raofit("gaussian")


def _train_raofit(labels: str, path: Path) -> None:
    import raofit

    recipe = raofit.TrainingRecipe(
        labels=labels, snr=(1 / SIGMA, 1 / SIGMA), ranges=dict(zip(NAMES, map(tuple, PRIOR), strict=True)),
        restarts=4, max_epochs=60, patience=60,
    )  # fmt: skip
    raofit.save_network(path, raofit.train_network(raofit.models.IVIM(B_VALUES), recipe))


def train_raofit_truth(path: Path) -> None:
    """The paper's network on 100 000 voxels of the same prior and noise, labeled with the truth; best of 4 restarts."""
    _train_raofit("truth", path)


def train_raofit_labels(path: Path) -> None:
    """The same, labeled with the maximum-likelihood estimates."""
    _train_raofit("mle-rician", path)


def raofit_network(path: Path):
    """Inference with the trained network, status included."""
    import raofit

    network = raofit.load_network(path)
    return lambda magnitudes: network.estimate(magnitudes).values


def prior_only():
    """The middle of the prior whatever the measurement: what shrinkage alone achieves."""
    return lambda magnitudes: np.tile(_MIDDLE, (len(magnitudes), 1))


_TWO_CHUNKS = 131_072  # of maximum likelihood and of a network: from here on, nothing more is compiled

PEERS = {
    "raofit network truth": Peer(
        "raofit network, truth labels", "raofit", raofit_network, 100_000, train_raofit_truth, _TWO_CHUNKS
    ),
    "raofit network mle": Peer(
        "raofit network, MLE labels", "raofit", raofit_network, 100_000, train_raofit_labels, _TWO_CHUNKS
    ),
    "raofit rician": Peer("raofit maximum likelihood, Rician", "raofit", raofit_rician, 100_000, warm_up=_TWO_CHUNKS),
    "raofit gaussian": Peer(
        "raofit maximum likelihood, Gaussian", "raofit", raofit_gaussian, 100_000, warm_up=_TWO_CHUNKS
    ),
    "ivimnet": Peer("IVIM-NEToptim, trained on the same prior", "ivimnet", ivimnet_optimal, 100_000, train_ivimnet),
    "osipy": Peer(
        "osipy `fit_ivim` full, default bounds", "osipy", osipy_default, 100_000, needs="Python 3.12 or newer"
    ),
    "osipy bounded": Peer(
        "osipy `fit_ivim` full, shared bounds", "osipy", osipy_bounded, 100_000, needs="Python 3.12 or newer"
    ),
    "scipy least_squares": Peer("SciPy `least_squares`, analytic Jacobian", "scipy", scipy_least_squares),
    "scipy minimize": Peer("SciPy `minimize`, Rician, numeric gradient (the paper's way)", "scipy", scipy_minimize),
    "dipy": Peer("dipy `IvimModel` trr, default bounds", "dipy", dipy_default),
    "dipy bounded": Peer("dipy `IvimModel` trr, shared bounds", "dipy", dipy_bounded),
    "ivimfit": Peer("ivimfit `fit_biexp_free`, default bounds", "ivimfit", ivimfit),
    "dmipy-fit": Peer("dmipy-fit two balls, shared bounds", "dmipy-fit", dmipy_fit),
    "prior only": Peer("constant: middle of the prior", "numpy", prior_only, 100_000, is_yardstick=True),
}
