"""`raofit basis`: the basis in which the signals of a protocol are best seen."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_PROTOCOL = Parameter(group="Protocol")
_SIZE = Parameter(group="Size")


def basis(
    *,
    out: Path,
    model: str = "mrf-fisp-known-b1",
    trains: Annotated[Path | None, _PROTOCOL] = None,
    tr: Annotated[str | None, _PROTOCOL] = None,
    bval: Annotated[Path | None, _PROTOCOL] = None,
    te: Annotated[str | None, _PROTOCOL] = None,
    ti: Annotated[str | None, _PROTOCOL] = None,
    flip: Annotated[str | None, _PROTOCOL] = None,
    mt: Annotated[str | None, _PROTOCOL] = None,
    refocusing: Annotated[str | None, _PROTOCOL] = None,
    rank: Annotated[int | None, _SIZE] = None,
    energy: Annotated[float | None, _SIZE] = None,
    crb_loss: Annotated[float | None, _SIZE] = None,
    prior: str | None = None,
    samples: int = 2048,
    seed: int = 0,
    force: Annotated[bool, _FLAG] = False,
) -> None:
    """Compute a small orthonormal basis of the signals of a protocol, for --basis of the other verbs.

    A fingerprint of many hundred echoes is a combination of a few. In an orthonormal basis of these, noise stays white
    and next to nothing is lost: the table says what. Reconstruct images of the coefficients U^H s, or project the
    series onto U yourself.

    Parameters
    ----------
    out
        MATLAB file to write, with the basis in the variable U (measurements × vectors).
    model
        Signal model: adc, ivim, ivim-total, mrf-fisp, mrf-fisp-known-b1, mrf-hybrid-state, mrf-hybrid-state-known-b1,
        mtsat, qmt, qmt-times, qmt-tied, qmt-tied-times, t1-ir, t1-ir-signed, t1-ir-tr, t1-ir-tr-signed, t1-vfa,
        t1-vfa-b1, t2, t2-epg, t2-epg-t1 or t2star.
    trains
        Flip angles (rad) and pulse durations (s): a MATLAB file with alpha and TRF, or TOML, JSON, CSV. For mrf-fisp,
        flip_angles_deg and repetition_times_ms in TOML, JSON or CSV, or fisp-880, which comes with raofit; for
        mrf-hybrid-state, flip_angles_deg and repetition_time_ms, or hybrid-840.
    tr
        Repetition time in seconds, or as 3.5ms; of pulse trains, if their file does not say it.
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
    rank
        This many vectors, with the most energy of the signals.
    energy
        As few vectors as keep this share of the energy, for instance 0.9999.
    crb_loss
        As few vectors as raise no Cramér-Rao bound by more than this share on average, for instance 0.01 (default).
    prior
        Which tissues to expect: as for raofit simulate.
    samples
        Tissues drawn from it.
    seed
        Seed of the draws.
    force
        Replace an existing file.
    """
    import numpy as np

    from raofit.cli._basis_table import print_losses
    from raofit.cli._options import stated_model
    from raofit.cli._progress import say
    from raofit.cli._simulate_run import chosen_prior
    from raofit.core.errors import RaofitError
    from raofit.core.seeds import key_of
    from raofit.information.compression import compression_basis
    from raofit.io.basis_file import save_basis
    from raofit.io.output import require_free_file

    require_free_file(out, force=force)
    if samples < 1:
        raise RaofitError(f"--samples {samples}: expected at least 1")
    if rank is energy is crb_loss is None:
        crb_loss = 0.01
    built = stated_model(model, bval=bval, te=te, ti=ti, flip=flip, mt=mt, refocusing=refocusing, trains=trains, tr=tr)
    parameters = np.asarray(chosen_prior(prior, built).sample(key_of(seed), samples), np.float64)
    found = compression_basis(built, parameters, rank=rank, energy=energy, crb_loss=crb_loss)
    save_basis(out, found, force=force)
    print_losses(built, parameters, found)
    say(f"Written to {out}: {found.shape[1]} vectors of {found.shape[0]} measurements")
