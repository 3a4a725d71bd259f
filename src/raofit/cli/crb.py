"""`raofit crb`: the attainable precision of a protocol."""

import typing
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from raofit.cli._options import parse_values, protocol_fields
from raofit.core.errors import RaofitError

_FLAG = Parameter(negative=())


def crb(
    *,
    model: str = "ivim",
    bval: Path | None = None,
    te: str | None = None,
    snr: float | None = None,
    sigma: float | None = None,
    noise: Literal["rician", "gaussian", "complex-gaussian"] = "rician",
    at: Annotated[tuple[str, ...], _FLAG] = (),
    fixed: Annotated[tuple[str, ...], _FLAG] = (),
    out: Path | None = None,
    force: Annotated[bool, _FLAG] = False,
) -> None:
    """Print the best precision a protocol can give, and name the parameters it cannot identify.

    The table gives the Cramér-Rao bound: the least standard deviation of any unbiased estimate from one voxel. A
    parameter whose bound exceeds the standard deviation of its typical range is not identified: knowing the tissue
    tells more than measuring the voxel.

    Parameters
    ----------
    model
        Signal model: adc, ivim, ivim-total, t2 or t2star.
    bval
        Text file of b-values in s/mm².
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms.
    snr
        Signal-to-noise ratio: S0 divided by the noise standard deviation.
    sigma
        Noise standard deviation in signal units, instead of --snr.
    noise
        How the noise is distributed.
    at
        True values as NAME=VALUE, for instance f=0.3,D_fast=0.08; default: the middle of each typical range.
    fixed
        Parameters that are known and not estimated, for instance S0.
    out
        Folder for the table (CSV and JSON), the plot and an HTML page.
    force
        Replace an existing output folder.
    """
    from raofit import models
    from raofit import noise as noises
    from raofit.cli._crb_page import print_precision, write_crb_folder
    from raofit.information.identifiability import attainable_precision, point, unidentifiable_share
    from raofit.io.output import require_free
    from raofit.io.protocol_file import stated_protocol

    if out is not None:
        require_free(out, force=force)
    known = tuple(name for item in fixed for name in item.split(",") if name)
    built = models.build(model, stated_protocol(protocol_fields(model), bval=bval, te=te))
    values = parse_values(at, "--at")
    level = _noise_level(built, point(built, values), snr, sigma)
    distribution = noises.build(noise, level)
    precisions = attainable_precision(built, distribution, values, fixed=known)
    shares = unidentifiable_share(built, distribution, fixed=known)
    print_precision(built, distribution, precisions, shares)
    if out is not None:
        write_crb_folder(out, built, distribution, precisions, shares, force=force)


def _noise_level(model, values, snr: float | None, sigma: float | None) -> float:
    """Sigma from --sigma, or from --snr and the true amplitude."""
    if (snr is None) == (sigma is None):
        raise RaofitError("give the noise level either as --snr (S0 over sigma) or as --sigma (signal units)")
    if snr is None:
        return typing.cast(float, sigma)
    if not 0 < snr < float("inf"):
        raise RaofitError(f"--snr {snr:g}: expected a signal-to-noise ratio > 0")
    index = model.amplitude_index
    if index is None:
        raise RaofitError(f"--snr: model `{model.name}` has no amplitude to relate it to; give --sigma instead")
    return float(values[index]) / snr
