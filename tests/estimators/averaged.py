"""Standard errors of maximum likelihood by NumPy in double precision: those that are averaged over both sides too."""

from collections.abc import Collection

import numpy as np

from raofit.estimators.standard_errors import averaged_names
from raofit.information.crb import crb
from raofit.information.fisher import fisher_information

_LARGEST_RATIO = 4.0


def expected_errors(model, noise, values: np.ndarray, fixed: Collection[str] = ()) -> np.ndarray:
    """√CRB of every voxel (voxel, parameter), or its mean one standard error below and above along the profile."""
    bounds = np.array([parameter.bounds for parameter in model.parameters])
    averaged = averaged_names(model, bounds)
    names = model.parameter_names
    free = [index for index, name in enumerate(names) if name not in fixed]
    is_log = np.array([name in averaged for name in names])
    values = np.asarray(values, dtype=np.float64)
    errors = np.sqrt(crb(model, values, noise, fixed=fixed))
    information = np.asarray(fisher_information(model, values, noise), dtype=np.float64)
    scale = 1 / np.sqrt(np.einsum("vii->vi", information)[:, free])
    unit = information[:, free][:, :, free] * scale[:, :, None] * scale[:, None, :]
    covariance = np.linalg.inv(unit) * scale[:, :, None] * scale[:, None, :]
    expected = errors.copy()
    for index in (place for place in free if names[place] in averaged):
        along = np.zeros_like(values)
        column = covariance[:, :, free.index(index)]
        along[:, free] = column / np.sqrt(column[:, [free.index(index)]])
        sides = []
        for sign in (-1, 1):
            with np.errstate(over="ignore"):  # beyond any bound, where it is cut off
                growth = np.exp(np.where(is_log, sign * along / values, 0.0))
            moved = np.where(is_log, values * growth, values + sign * along)
            there = np.clip(moved, bounds[:, 0], bounds[:, 1])
            side = np.sqrt(crb(model, there, noise, fixed=fixed))[:, index]
            sides.append(np.fmin(side, _LARGEST_RATIO * errors[:, index]))
        expected[:, index] = np.mean(sides, axis=0)
    return expected
