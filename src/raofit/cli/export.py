"""`raofit export`: a trained network for programs without raofit."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

_FLAG = Parameter(negative=())


def export(
    network: str,
    *,
    out: Path,
    force: Annotated[bool, _FLAG] = False,
) -> None:
    """Write a trained network as an ONNX file, which runs without raofit, JAX or Python.

    The graph scales its inputs and gives parameters in their units, for any number of voxels. It has no status and no
    standard errors: a voxel that raofit map would mark as outside the training range gets a number like any other.
    Needs pip install 'raofit[onnx]'.

    Parameters
    ----------
    network
        Network file, or the name of one that comes with raofit.
    out
        ONNX file to write: input measurements (voxel, measurement), real parts before imaginary parts if they are
        complex, output estimates (voxel, parameter), both float32.
    force
        Replace an existing file.
    """
    from raofit.cli._progress import say
    from raofit.io.network_file import load_network
    from raofit.io.onnx_file import save_onnx
    from raofit.io.output import require_free_file

    require_free_file(out, force=force)
    found = load_network(network)
    save_onnx(out, found, force=force)
    inputs, names = found.network.sizes[0], ", ".join(found.parameter_names)
    say(f"Written to {out}: {inputs} inputs per voxel, estimates of {names}")
