"""`raofit design`: the settings of a protocol that give the best precision."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from raofit.cli._options import default_noise, parse_bounds, parse_values, stated_sigma
from raofit.core.errors import RaofitError

_FLAG = Parameter(negative=())


def design(
    *,
    free: Annotated[tuple[str, ...], _FLAG],
    model: str = "ivim",
    bval: Path | None = None,
    te: str | None = None,
    ti: str | None = None,
    flip: str | None = None,
    mt: str | None = None,
    refocusing: str | None = None,
    trains: Path | None = None,
    tr: str | None = None,
    snr: float | None = None,
    sigma: float | None = None,
    noise: Literal["rician", "gaussian"] | None = None,
    weight: Annotated[tuple[str, ...], _FLAG] = (),
    at: Annotated[tuple[str, ...], _FLAG] = (),
    fixed: Annotated[tuple[str, ...], _FLAG] = (),
    longest: float | None = None,
    nodes: int | None = None,
    starts: int = 8,
    seed: int = 0,
    out: Path | None = None,
    force: Annotated[bool, _FLAG] = False,
) -> None:
    """Choose the settings of a protocol for the best precision, and show before and after.

    The number of volumes stays. Minimized is the Cramér-Rao bound of the parameters relative to their values, averaged
    over 64 tissues (of a train: 16) that fill the typical ranges. If repetition times are free, their sum stays within
    that of the given protocol, or within --longest. A train of pulses follows smooth curves, and its search takes some
    minutes.

    Parameters
    ----------
    free
        Settings to choose and their bounds as NAME=LOWER:UPPER: b_values (s/mm²), echo_times, inversion_times,
        repetition_time (seconds), flip_angles, refocusing_angles (degrees); of a train flip_angles, repetition_times,
        inversion_time.
    model
        Signal model: adc, ivim, ivim-total, mrf-fisp, mrf-fisp-known-b1, mrf-hybrid-state, mrf-hybrid-state-known-b1,
        mtsat, t1-ir, t1-ir-signed, t1-ir-tr, t1-ir-tr-signed, t1-vfa, t1-vfa-b1, t2, t2-epg, t2-epg-t1 or t2star.
    bval
        Text file of b-values in s/mm²: the protocol to begin with.
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
        The train to begin with, for mrf-fisp: flip_angles_deg and repetition_times_ms in TOML, JSON or CSV, or
        fisp-880, which comes with raofit; for mrf-hybrid-state, flip_angles_deg and repetition_time_ms, or hybrid-840.
    tr
        Repetition time in seconds, or as 3.5ms.
    snr
        Signal-to-noise ratio: S0 divided by the noise standard deviation of one channel.
    sigma
        Noise standard deviation in signal units, instead of --snr.
    noise
        How the noise is distributed; default: gaussian for the -signed models, else rician.
    weight
        Weights of the relative variances as NAME=VALUE, for instance D_fast=1; default: 1 for all but S0.
    at
        Values that all tissues share as NAME=VALUE, for instance f=0.3.
    fixed
        Parameters that are known and not estimated, for instance S0.
    longest
        Sum of the repetition times (of a train: and the inversion time) in seconds, at most.
    nodes
        Of a train: free numbers of the smooth curve that each free setting follows over the pulses; default: 24.
    starts
        Number of searches: one begins at the given protocol, the others at random ones.
    seed
        Number the random protocols follow from.
    out
        Folder for the new protocol, in files the other verbs read, and design.json; of a train also a figure.
    force
        Replace an existing output folder.
    """
    import time

    from raofit import noise as noises
    from raofit.cli._design_run import bounds_of, print_design, scan_time, sets_time, tissues_at, write_design_folder
    from raofit.cli._design_train import nodes_of
    from raofit.cli._options import protocol_fields, stated_model
    from raofit.cli._progress import progress_bar, say
    from raofit.core.seeds import key_of
    from raofit.information.design import design_protocol
    from raofit.information.identifiability import point
    from raofit.io.fingerprint_sequence import shipped_sequences
    from raofit.io.output import require_free_folder

    if out is not None:
        require_free_folder(out, force=force)
    if "pulse_durations" in protocol_fields(model):
        raise RaofitError(
            f"--model {model}: its pulse trains cannot be designed; those of mrf-fisp and mrf-hybrid-state can"
        )
    known = tuple(name for item in fixed for name in item.split(",") if name)
    built = stated_model(model, bval=bval, te=te, ti=ti, flip=flip, mt=mt, refocusing=refocusing, trains=trains, tr=tr)
    bounds = bounds_of(built, parse_bounds(free, "--free"))
    values = parse_values(at, "--at")
    level = stated_sigma(built, point(built, values), snr, sigma)
    started = time.perf_counter()
    with progress_bar() as progress:
        found = design_protocol(
            built,
            noises.build(noise or default_noise(built), level),
            bounds,
            key=key_of(seed),
            nodes=nodes_of(built, bounds, nodes),
            tissues=tissues_at(built, values),
            weights=parse_values(weight, "--weight") or None,
            fixed=known,
            duration=scan_time if sets_time(bounds) else None,
            longest=longest,
            n_starts=starts,
            progress=progress,
        )
    print_design(found)
    say(f"Searched for {time.perf_counter() - started:.0f} s.")
    if out is not None:
        files = [bval, None if trains is None else shipped_sequences().get(str(trains), trains)]
        write_design_folder(out, found, level, [path for path in files if path is not None], force=force)
