"""`raofit crb`: the attainable precision of a protocol."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from raofit.cli._options import default_noise, parse_values, stated_sigma

_FLAG = Parameter(negative=())


def crb(
    *,
    model: str = "ivim",
    bval: Path | None = None,
    te: str | None = None,
    ti: str | None = None,
    flip: str | None = None,
    mt: str | None = None,
    refocusing: str | None = None,
    trains: Path | None = None,
    tr: str | None = None,
    basis: Path | None = None,
    rank: int | None = None,
    snr: float | None = None,
    sigma: float | None = None,
    noise: Literal["rician", "gaussian", "complex-gaussian"] | None = None,
    fisher: Literal["real", "hermitian"] = "real",
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
        Signal model: adc, ivim, ivim-total, mrf-fisp, mrf-fisp-known-b1, mrf-hybrid-state, mrf-hybrid-state-known-b1,
        mtsat, qmt, qmt-times, qmt-tied, qmt-tied-times, t1-ir, t1-ir-signed, t1-ir-tr, t1-ir-tr-signed, t1-vfa,
        t1-vfa-b1, t2, t2-epg, t2-epg-t1 or t2star.
    bval
        Text file of b-values in s/mm².
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms.
    ti
        Inversion times, likewise.
    flip
        Flip angles of the volumes in degrees: a file, or a list such as 3,20.
    mt
        Which volumes have the MT pulse (mtsat): a list such as on,off,off.
    refocusing
        Refocusing angle of the echo train in degrees (t2-epg), one or one per echo; default: 180.
    trains
        Flip angles (rad) and pulse durations (s): a MATLAB file with alpha and TRF, or TOML, JSON, CSV. For mrf-fisp,
        flip_angles_deg and repetition_times_ms in TOML, JSON or CSV, or fisp-880, which comes with raofit; for
        mrf-hybrid-state, flip_angles_deg and repetition_time_ms, or hybrid-840.
    tr
        Repetition time in seconds, or as 3.5ms; of pulse trains, if their file does not say it.
    basis
        MATLAB file with an orthonormal basis U of the signals; the bound is then that of coefficients in it.
    rank
        Basis vectors to use; default: all.
    snr
        Signal-to-noise ratio: S0 (of qmt: |M0|) divided by the noise standard deviation of one channel.
    sigma
        Noise standard deviation in signal units, instead of --snr.
    noise
        How the noise is distributed; default: complex-gaussian for qmt, gaussian for the -signed models, else
        rician.
    fisher
        Information matrix of complex signals: of real parameters (right), or hermitian, for parameters taken to be
        complex, as some published bounds have it.
    at
        True values as NAME=VALUE, for instance f=0.3,D_fast=0.08; default: the middle of each typical range.
    fixed
        Parameters that are known and not estimated, for instance S0 (or M0, the complex amplitude of qmt).
    out
        Folder for the table (CSV and JSON), the plot and an HTML page.
    force
        Replace an existing output folder.
    """
    from raofit import noise as noises
    from raofit.cli._crb_page import print_precision, write_crb_folder
    from raofit.cli._options import stated_model
    from raofit.information.identifiability import attainable_precision, point, unidentifiable_share
    from raofit.io.output import require_free_folder

    if out is not None:
        require_free_folder(out, force=force)
    known = tuple(name for item in fixed for name in item.split(",") if name)
    built = stated_model(
        model,
        bval=bval,
        te=te,
        ti=ti,
        flip=flip,
        mt=mt,
        refocusing=refocusing,
        trains=trains,
        tr=tr,
        basis=basis,
        rank=rank,
    )
    values = parse_values(at, "--at")
    level = stated_sigma(built, point(built, values), snr, sigma)
    distribution = noises.build(noise or default_noise(built), level)
    precisions = attainable_precision(built, distribution, values, fixed=known, fisher=fisher)
    shares = unidentifiable_share(built, distribution, fixed=known, fisher=fisher)
    print_precision(built, distribution, precisions, shares)
    if out is not None:
        write_crb_folder(out, built, distribution, precisions, shares, fixed=known, fisher=fisher, force=force)
