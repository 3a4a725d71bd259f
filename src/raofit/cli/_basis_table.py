"""What a basis loses, as a table."""

import numpy as np
from jaxtyping import Float
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from raofit.information.crb import crb
from raofit.information.subspace import energy_outside
from raofit.models import AbstractSignalModel, Compressed
from raofit.noise import ComplexGaussian, Gaussian

_MOST = 256


def print_losses(
    model: AbstractSignalModel,
    parameters: Float[np.ndarray, "voxel parameter"],
    basis: Float[np.ndarray, "measurement coefficient"],
) -> None:
    """Print the energy outside the basis, and by how much it raises the bound of each parameter."""
    voxels = parameters[:_MOST]
    outside = energy_outside(np.asarray(model.signal(voxels)), basis)
    noise = ComplexGaussian(1.0) if model.has_complex_amplitude else Gaussian(1.0)
    whole, seen = crb(model, voxels, noise), crb(Compressed(model, basis), voxels, noise)
    rise = np.sqrt(seen / whole) - 1.0
    table = Table("", "mean", "largest", box=SIMPLE_HEAD)
    table.add_row("energy outside", f"{outside.mean():.2g}", f"{outside.max():.2g}")
    for name, column in zip(model.parameter_names, rise.T, strict=True):
        known = column[np.isfinite(column)]
        cells = (f"{100 * known.mean():.2g} %", f"{100 * known.max():.2g} %") if known.size else ("–", "–")
        table.add_row(f"rise of √CRB of {name}", *cells)
    Console().print(table)
