"""`raofit bids`: maps of a whole BIDS data set."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_CHOICE = Parameter(group="Choice", consume_multiple=True, negative=())
_DATA = Parameter(group="Data")
_WORKERS = Parameter(group="Workers")
_ESTIMATOR = Parameter(group="Estimator")


def bids(
    dataset: Path,
    output: Path,
    level: Literal["participant", "group"],
    /,
    *,
    participant_label: Annotated[
        tuple[str, ...], Parameter(name=["--participant-label", "--participant_label"]), _CHOICE
    ] = (),
    session_label: Annotated[tuple[str, ...], Parameter(name=["--session-label", "--session_label"]), _CHOICE] = (),
    mask: Annotated[str | None, _DATA] = None,
    b1: Annotated[bool, _DATA] = True,
    sigma: Annotated[str | None, _DATA] = None,
    model: Annotated[tuple[str, ...], _FLAG, _ESTIMATOR] = (),
    estimator: Annotated[Literal["mle", "dictionary", "network"], _ESTIMATOR] = "mle",
    intervals: Annotated[float | None, Parameter(group="Output")] = None,
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _WORKERS] = None,
    force: Annotated[bool, _FLAG, Parameter(group="Output")] = False,
) -> None:
    """Map a BIDS data set: diffusion (IVIM or ADC), IRT1 and VFA (T1), MTS (MTsat, T1), MESE (T2), MEGRE (T2*).

    Every series is mapped as `raofit map` does it, with the protocol in its sidecars, those further up included. The
    output is a derivative data set with the names and units of BIDS: T1map, T2map, T2starmap, MTsat, ADC, S0map, M0map;
    desc-std maps are standard errors; model-*_param-*_dwimap and _anatmap hold what BIDS has no suffix for; dseg maps
    hold the status, with a table of its values; and one HTML report per series.

    A subject that fails does not stop the others: the run says at its end which did, and ends with exit code 2.
    Finished subjects are left as they are, so the same command continues a run that was interrupted.

    Parameters
    ----------
    dataset
        BIDS data set; nothing is written to it unless the output lies inside.
    output
        Folder of the derivative data set, such as DATASET/derivatives/raofit.
    level
        participant: map the subjects. group: write group_maps.tsv from all finished subjects (medians, interquartile
        ranges and the shares of each status), with a JSON dictionary of its columns.
    participant_label
        Subjects to map or to tabulate, with or without sub-; default: all.
    session_label
        Sessions to map, likewise.
    mask
        Where the masks are: a path, relative to DATASET, in which {subject}, {session} and {suffix} are filled in, and
        * stands for anything: derivatives/masks/sub-{subject}/anat/*_mask.nii.gz. Default: every voxel is mapped.
    b1
        Use the TB1map in fmap, where there is one, for the flip angles of VFA.
    sigma
        Noise standard deviation of one channel, in signal units: a number, or how to measure it: repeats, background or
        residuals. Default: residuals (background if there are too few measurements).
    model
        Signal model of a suffix, in place of the default: SUFFIX=MODEL, for instance MESE=t2-epg or dwi=adc. Defaults:
        IRT1=t1-ir, VFA=t1-vfa (t1-vfa-b1 with a B1 map), MTS=mtsat, MESE=t2, MEGRE=t2star; dwi is ivim if there are
        enough low b-values, else adc of b-values up to 1000 s/mm².
    estimator
        mle: maximum likelihood. dictionary: the best of a grid of simulated signals. network: one is trained for each
        protocol, and kept for the next time.
    intervals
        Also write desc-lower and desc-upper maps, the ends of intervals that hold the truth with this probability, such
        as 0.95.
    workers
        Processes of this machine that share the work, by Dask; results are those of one process, to the byte.
    scheduler
        Dask scheduler whose workers share the work, such as tcp://host:8786.
    force
        Map finished subjects again.
    """
    from raofit.cli._bids_run import BidsOptions, map_dataset, parse_models
    from raofit.cli._workers import sharing

    options = BidsOptions(
        dataset, output, participant_label, session_label, parse_models(model), estimator, sigma, mask, b1, force,
        intervals,
    )  # fmt: skip
    if level == "group":
        from raofit.cli._bids_group import write_group_table

        print(f"Written to {write_group_table(options)}")
        return
    with sharing(workers, scheduler) as run:
        map_dataset(options, run)
    print(f"Maps are in {output}; `raofit bids {dataset} {output} group` makes a table of them.")
