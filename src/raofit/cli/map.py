"""`raofit map`: from a measured series to parameter maps."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from raofit.core.status import FALSE_ALARM_RATE

_FLAG = Parameter(negative=())
_DATA = Parameter(group="Data")
_TRAINS = Parameter(group="Pulse trains (qmt, mrf-fisp, mrf-hybrid-state)")
_ESTIMATOR = Parameter(group="Estimator")
_WORKERS = Parameter(group="Workers")
_OUTPUT = Parameter(group="Output")


def map_image(
    images: list[Path],
    /,
    *,
    out: Annotated[Path, _OUTPUT],
    bval: Annotated[Path | None, _DATA] = None,
    te: Annotated[str | None, _DATA] = None,
    ti: Annotated[str | None, _DATA] = None,
    flip: Annotated[str | None, _DATA] = None,
    mt: Annotated[str | None, _DATA] = None,
    tr: Annotated[str | None, _DATA] = None,
    refocusing: Annotated[str | None, _DATA] = None,
    b_max: Annotated[float | None, _DATA] = None,
    mask: Annotated[Path | None, _DATA] = None,
    sigma: Annotated[str | None, _DATA] = None,
    known: Annotated[tuple[str, ...], _FLAG, _DATA] = (),
    trains: Annotated[Path | None, _TRAINS] = None,
    basis: Annotated[Path | None, _TRAINS] = None,
    rank: Annotated[int | None, _TRAINS] = None,
    model: Annotated[str | None, Parameter(group="Estimator", show_default=lambda _: "ivim, or the network's")] = None,
    noise: Annotated[Literal["rician", "gaussian", "complex-gaussian"] | None, _ESTIMATOR] = None,
    estimator: Annotated[Literal["mle", "dictionary", "network", "one-step"] | None, _ESTIMATOR] = None,
    network: Annotated[Path | None, _ESTIMATOR] = None,
    dictionary: Annotated[Path | None, _ESTIMATOR] = None,
    grid: Annotated[tuple[str, ...], _FLAG, _ESTIMATOR] = (),
    t2_below_t1: Annotated[bool, _ESTIMATOR] = True,
    bounds: Annotated[tuple[str, ...], _FLAG, _ESTIMATOR] = (),
    snr: Annotated[float | None, _ESTIMATOR] = None,
    seed: Annotated[int, _ESTIMATOR] = 0,
    residual: Annotated[bool, _OUTPUT] = True,
    false_alarms: Annotated[float, _OUTPUT] = FALSE_ALARM_RATE,
    intervals: Annotated[float | None, _OUTPUT] = None,
    fill: Annotated[Literal["0", "nan"], _OUTPUT] = "0",
    memory: Annotated[int, _OUTPUT] = 512,
    workers: Annotated[int | None, _WORKERS] = None,
    scheduler: Annotated[str | None, _WORKERS] = None,
    force: Annotated[bool, _FLAG, _OUTPUT] = False,
) -> None:
    """Turn a measured series into parameter maps.

    Writes to the output folder, for each parameter, NAME.nii.gz (float32, in the space of the image), NAME_std.nii.gz
    (its standard error) and a JSON sidecar each; residual.nii.gz (reduced chi-square of the measurement at the
    estimate) and relative_residual.nii.gz; for qmt, M0.nii.gz and M0_phase.nii.gz; status.nii.gz, which says for every
    voxel how the estimate went (the codes are in status.json), also where the model does not explain the measurement;
    raofit.json with everything needed to repeat the run; and report.html.

    b = 0 need not come first or be there at all, repeated b-values are fine, and a mask is whatever is not zero.

    A MATLAB file does not say where its voxels lie: maps of coefficients have the identity as affine, their axes are
    those MATLAB shows, and a single slice becomes one of shape (x, y, 1).

    Parameters
    ----------
    images
        The 4-D NIfTI series, or one 3-D file per volume in the order of the b-values or echo times. For the qmt models,
        a MATLAB file with complex coefficients x (x, y[, z], coefficient) and mask.
    out
        Folder to write; it appears when everything in it is complete.
    bval
        Text file of b-values in s/mm², one per volume; default: the file beside the image with the ending .bval.
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms; default: EchoTime in the JSON beside the image.
    ti
        Inversion times, likewise; default: InversionTime in the JSON.
    flip
        Flip angles in degrees: a file, or a list such as 3,20; default: FlipAngle in the JSON.
    mt
        Which volumes have the MT pulse (mtsat): a list such as on,off,off; default: MTState in the JSON.
    tr
        Repetition time in seconds, or as 15ms; default: RepetitionTimeExcitation or RepetitionTime in the JSON. Of
        pulse trains, in place of what their file says.
    refocusing
        Refocusing angle of the echo train in degrees (t2-epg), one or one per echo; default: 180.
    b_max
        Leave out volumes with a larger b-value (s/mm²), where the model no longer holds: an ADC is read up to 1000.
    mask
        NIfTI mask (or MATLAB file with mask); voxels that are zero or NaN are left out. Default: every voxel, or the
        mask in the file of coefficients.
    sigma
        Noise standard deviation of one channel, in signal units: a number, a NIfTI map, or how to measure it: repeats,
        background or residuals. Default: residuals (background if there are too few measurements).
    known
        Parameters that are measured otherwise, as NAME=MAP (NIfTI, in the parameter's unit and the space of the image)
        or NAME=NUMBER, for instance B1=b1map.nii.gz; for mle and dictionary. Their maps repeat them, with a standard
        error of 0; NaN and values beyond the bounds are marked.
    trains
        Flip angles (rad) and pulse durations (s): a MATLAB file with alpha and TRF, or TOML, JSON, CSV. For mrf-fisp,
        flip_angles_deg and repetition_times_ms in TOML, JSON or CSV, or fisp-880, which comes with raofit; for
        mrf-hybrid-state, flip_angles_deg and repetition_time_ms, or hybrid-840. Not needed with a network, which has
        its own.
    basis
        MATLAB file with the orthonormal basis U the coefficients refer to.
    rank
        Basis vectors to use; default: as many as there are coefficients.
    model
        Signal model: adc, ivim, ivim-total, mrf-fisp, mrf-fisp-known-b1, mrf-hybrid-state, mrf-hybrid-state-known-b1,
        mtsat, qmt, qmt-times, qmt-tied, qmt-tied-times, t1-ir, t1-ir-signed, t1-ir-tr, t1-ir-tr-signed, t1-vfa,
        t1-vfa-b1, t2, t2-epg, t2-epg-t1 or t2star.
    noise
        rician for magnitude images (the default); gaussian for real-valued ones, and for least squares (the default
        of the -signed models);
        complex-gaussian for coefficients (always).
    estimator
        mle: maximum likelihood, from the network's estimate if there is one (the default without --network).
        network: a trained network (the default with --network). one-step: one step of Fisher scoring from a network's
        estimate. Without --network, both train one for this protocol and the SNR of the data, and keep it for the next
        time.
        dictionary: the best of a grid of simulated signals, interpolated (the default with --grid or --dictionary).
    network
        Network file from `raofit train`, or the name of one that comes with raofit.
    dictionary
        Dictionary file: used if it exists, if it is of the model, protocol and basis of these data; made otherwise.
    grid
        Where the atoms of a dictionary lie, as NAME=LOWER:UPPER:COUNT with :log for equal ratios, or NAME=VALUE for a
        parameter that is known, in the parameter's unit: T1=0.1:4:60:log,T2=0.01:0.5:60:log. Default: the typical
        range of each parameter and half of it on either side; 1000 values for one parameter, 200 each for two, 50 each
        for three.
    t2_below_t1
        Leave out atoms whose T2 is not below their T1, where a model has both.
    bounds
        Fit bounds as NAME=LOWER:UPPER in the parameter's unit, for instance f=0.01:0.9. Those of a dictionary are the
        ends of its grid.
    snr
        SNR (S0 over sigma) to train the network for; default: measured in the data.
    seed
        Seed of the network's training.
    residual
        Write the residual maps, and mark voxels the model does not explain. After a network, this takes most of the
        time: one simulation per voxel.
    false_alarms
        Share of voxels that noise alone would mark as a misfit.
    intervals
        Also write NAME_lower and NAME_upper, the ends of intervals that hold the truth with this probability, such as
        0.95: of mle by profile likelihood, inside the bounds (28 fits per parameter); of a network with the
        factors of its card (0.5, 0.68 or 0.95); else with factors from a simulation at the SNR of the data.
    fill
        What maps hold where there is no estimate.
    memory
        Memory for image data, in MB; larger images are read in slabs of slices. No dictionary may be larger.
    workers
        Processes of this machine that share the work, by Dask; results are those of one process, to the byte.
    scheduler
        Dask scheduler whose workers share the work, such as tcp://host:8786.
    force
        Replace an existing output folder.
    """
    from raofit.cli._map_run import MapOptions, default_estimator, run_map
    from raofit.cli._workers import sharing

    options = MapOptions(
        images=tuple(images),
        out=out,
        bval=bval,
        te=te,
        ti=ti,
        flip=flip,
        mt=mt,
        refocusing=refocusing,
        b_max=b_max,
        trains=trains,
        tr=tr,
        basis=basis,
        rank=rank,
        mask=mask,
        sigma=sigma,
        known=known,
        model=model,
        noise=noise,
        estimator=estimator or default_estimator(network, dictionary, grid),
        network=network,
        dictionary=dictionary,
        grid=grid,
        t2_below_t1=t2_below_t1,
        bounds=bounds,
        snr=snr,
        seed=seed,
        residual=residual,
        false_alarms=false_alarms,
        intervals=intervals,
        fill=float(fill),
        memory_bytes=memory << 20,
        force=force,
    )
    with sharing(workers, scheduler) as run:
        run_map(options, run)
