"""`raofit simulate`: a training set, simulated once."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_PROTOCOL = Parameter(group="Protocol")
_SET = Parameter(group="Training set")
_WORKERS = Parameter(group="Workers")
_OUTPUT = Parameter(group="Output")


def simulate(
    *,
    out: Annotated[Path, _OUTPUT],
    n: Annotated[int, Parameter(name=["-n", "--samples"], group="Training set")],
    model: str = "qmt",
    trains: Annotated[Path | None, _PROTOCOL] = None,
    tr: Annotated[str | None, _PROTOCOL] = None,
    bval: Annotated[Path | None, _PROTOCOL] = None,
    te: Annotated[str | None, _PROTOCOL] = None,
    ti: Annotated[str | None, _PROTOCOL] = None,
    flip: Annotated[str | None, _PROTOCOL] = None,
    mt: Annotated[str | None, _PROTOCOL] = None,
    refocusing: Annotated[str | None, _PROTOCOL] = None,
    basis: Annotated[Path | None, _PROTOCOL] = None,
    rank: Annotated[int | None, _PROTOCOL] = None,
    prior: Annotated[str | None, _SET] = None,
    seed: Annotated[int, _SET] = 0,
    chunk: Annotated[int, _SET] = 512,
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _WORKERS] = None,
    force: Annotated[bool, _FLAG, _OUTPUT] = False,
) -> None:
    """Simulate a training set once: parameters, noise-free signals, Cramér-Rao bounds.

    Noise, SNR and phase are drawn in training, so one set serves every noise level. The file is HDF5.

    Finished chunks are kept in a folder beside OUT until all are there: interrupted or killed, the same command
    continues, to the same bytes. Several commands with the same OUT share the work, on one machine or on many that see
    the same folder.

    Parameters
    ----------
    out
        Training set to write (HDF5).
    n
        Number of samples.
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
    basis
        MATLAB file with the orthonormal basis U of the signals; the set then holds coefficients in it.
    rank
        Basis vectors to use; default: all.
    prior
        Where the parameters are drawn from: typical (the model's typical ranges, the default), qmt-mao2024 (tissue,
        cerebrospinal fluid and fat), qmt-tissue, qmt-csf, qmt-fat, qmt-zhang2022, or a TOML file.
    seed
        Seed of the draws.
    chunk
        Samples simulated and stored at once. A GPU wants thousands; the draws depend on it.
    workers
        Processes of this machine that share the work, by Dask; results are those of one process, to the byte.
    scheduler
        Dask scheduler whose workers share the work, such as tcp://host:8786.
    force
        Replace an existing file.
    """
    from raofit.cli._simulate_run import SimulateOptions, run_simulation
    from raofit.cli._workers import sharing

    options = SimulateOptions(
        out=out,
        n_samples=n,
        model=model,
        trains=trains,
        tr=tr,
        bval=bval,
        te=te,
        ti=ti,
        flip=flip,
        mt=mt,
        refocusing=refocusing,
        basis=basis,
        rank=rank,
        prior=prior,
        seed=seed,
        chunk=chunk,
        force=force,
    )
    with sharing(workers, scheduler) as run:
        run_simulation(options, run)
