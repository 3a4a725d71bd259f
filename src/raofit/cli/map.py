"""`raofit map`: from a measured series to parameter maps."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_FLAG = Parameter(negative=())
_DATA = Parameter(group="Data")
_ESTIMATOR = Parameter(group="Estimator")
_OUTPUT = Parameter(group="Output")


def map_image(
    images: list[Path],
    /,
    *,
    out: Annotated[Path, _OUTPUT],
    bval: Annotated[Path | None, _DATA] = None,
    te: Annotated[str | None, _DATA] = None,
    b_max: Annotated[float | None, _DATA] = None,
    mask: Annotated[Path | None, _DATA] = None,
    sigma: Annotated[str | None, _DATA] = None,
    model: Annotated[str, _ESTIMATOR] = "ivim",
    noise: Annotated[Literal["rician", "gaussian"], _ESTIMATOR] = "rician",
    estimator: Annotated[Literal["mle", "network"], _ESTIMATOR] = "mle",
    network: Annotated[Path | None, _ESTIMATOR] = None,
    bounds: Annotated[tuple[str, ...], _FLAG, _ESTIMATOR] = (),
    snr: Annotated[float | None, _ESTIMATOR] = None,
    seed: Annotated[int, _ESTIMATOR] = 0,
    fill: Annotated[Literal["0", "nan"], _OUTPUT] = "0",
    memory: Annotated[int, _OUTPUT] = 512,
    force: Annotated[bool, _FLAG, _OUTPUT] = False,
) -> None:
    """Turn a measured series into parameter maps.

    Writes to the output folder, for each parameter, NAME.nii.gz (float32, in the space of the image), NAME_std.nii.gz
    (its standard error) and a JSON sidecar each; status.nii.gz, which says for every voxel how the estimate went (the
    codes are in status.json); raofit.json with everything needed to repeat the run; and report.html.

    b = 0 need not come first or be there at all, repeated b-values are fine, and a mask is whatever is not zero.

    Parameters
    ----------
    images
        The 4-D NIfTI series, or one 3-D file per volume in the order of the b-values or echo times.
    out
        Folder to write; it appears when everything in it is complete.
    bval
        Text file of b-values in s/mm², one per volume; default: the file beside the image with the ending .bval.
    te
        Echo times in seconds: a file, or a list such as 12.8ms,25.6ms; default: EchoTime in the JSON beside the image.
    b_max
        Leave out volumes with a larger b-value (s/mm²), where the model no longer holds: an ADC is read up to 1000.
    mask
        NIfTI mask; voxels that are zero or NaN are left out. Default: every voxel.
    sigma
        Noise standard deviation of one channel, in signal units: a number, a NIfTI map, or how to measure it: repeats,
        background or residuals. Default: residuals (background if there are too few measurements).
    model
        Signal model: adc, ivim, ivim-total, t2 or t2star.
    noise
        rician for magnitude images; gaussian for real-valued ones, and for least squares.
    estimator
        mle: maximum likelihood. network: a trained network; without --network, one is trained for this protocol and
        the SNR of the data, and kept for the next time.
    network
        Network file from `raofit train`; implies --estimator network.
    bounds
        Fit bounds as NAME=LOWER:UPPER in the parameter's unit, for instance f=0.01:0.9.
    snr
        SNR (S0 over sigma) to train the network for; default: measured in the data.
    seed
        Seed of the network's training.
    fill
        What maps hold where there is no estimate.
    memory
        Memory for image data, in MB; larger images are read in slabs of slices.
    force
        Replace an existing output folder.
    """
    from raofit.cli._map_run import MapOptions, run_map

    run_map(
        MapOptions(
            images=tuple(images),
            out=out,
            bval=bval,
            te=te,
            b_max=b_max,
            mask=mask,
            sigma=sigma,
            model=model,
            noise=noise,
            estimator="mle" if network is None and estimator == "mle" else "network",
            network=network,
            bounds=bounds,
            snr=snr,
            seed=seed,
            fill=float(fill),
            memory_bytes=memory << 20,
            force=force,
        )
    )
