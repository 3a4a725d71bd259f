"""A small synthetic BIDS data set, one writer per kind of series."""

import json

import nibabel
import numpy as np

from raofit.models import (
    IVIM,
    InversionRecovery,
    MonoExponentialADC,
    MonoExponentialT2,
    MonoExponentialT2Star,
    MTSaturation,
    SpoiledGradientEcho,
)
from tests.cli.helpers import AFFINE

SHAPE = (4, 3, 2)
SIGMA = 2.0
FLIP_DEGREES = (3.0, 10.0, 20.0)
REPETITION_TIME = 15e-3
ECHO_TIMES = tuple(0.01 * (1 + index) for index in range(11))  # echo-10 comes after echo-2
INVERSION_TIMES = (0.05, 0.3, 0.8, 2.0, 4.0)
B_VALUES = (0.0, 200.0, 400.0, 600.0, 800.0, 1000.0)
IVIM_B_VALUES = (0.0, 10.0, 30.0, 50.0, 100.0, 200.0, 400.0, 800.0)
T1, T2, T2STAR, ADC, B1, MTSAT = 1.2, 0.05, 0.03, 1.1e-3, 0.9, 3.0
MT_SERIES = (("1", "on", 6.0, 28e-3), ("1", "off", 6.0, 28e-3), ("2", "off", 20.0, 18e-3))


def save(path, data):
    """An image in millimeters, as the validator of BIDS wants it."""
    image = nibabel.Nifti1Image(data, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


def dataset(root):
    """An empty data set."""
    root.mkdir(parents=True)
    write(root / "dataset_description.json", {"Name": "Made up", "BIDSVersion": "1.10.0"})
    return root


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def volumes(model, parameters, seed=0):
    """Noisy volumes, (x, y, z, volume), at an SNR where magnitudes are Gaussian."""
    signal = np.broadcast_to(np.asarray(model.signal(np.array(parameters))), (*SHAPE, model.n_measurements))
    noise = np.random.default_rng(seed).normal(0, SIGMA, signal.shape)
    return (signal + noise).astype(np.float32)


def series(folder, stem, entity, suffix, data, sidecars):
    """One file and one sidecar per volume."""
    (folder / "anat").mkdir(parents=True, exist_ok=True)
    for index, sidecar in enumerate(sidecars):
        name = f"{stem}_{entity}-{index + 1}_{suffix}"
        save(folder / "anat" / f"{name}.nii.gz", data[..., index])
        write(folder / "anat" / f"{name}.json", sidecar)


def add_vfa(folder, stem, *, b1=None):
    """Flip angles in degrees, one per file; a B1 map if `b1` is given. The repetition time is left to the root."""
    free = SpoiledGradientEcho(np.deg2rad(FLIP_DEGREES), REPETITION_TIME, b1="free")
    data = volumes(free, [20_000.0, T1, b1 or 1.0], seed=1)
    series(folder, stem, "flip", "VFA", data, [{"FlipAngle": angle} for angle in FLIP_DEGREES])
    if b1 is not None:
        (folder / "fmap").mkdir()
        save(folder / "fmap" / f"{stem}_TB1map.nii.gz", np.full(SHAPE, b1, np.float32))
        write(folder / "fmap" / f"{stem}_TB1map.json", {"Units": "1"})


def add_mts(folder, stem):
    """Volumes with and without MT pulse, and one at a large flip angle."""
    angles, times = (np.array([item[place] for item in MT_SERIES]) for place in (2, 3))
    data = volumes(MTSaturation(np.deg2rad(angles), times, [1, 0, 0]), [20_000.0, T1, MTSAT], seed=6)
    (folder / "anat").mkdir(parents=True, exist_ok=True)
    for index, (flip, mt, angle, time) in enumerate(MT_SERIES):
        name = f"{stem}_flip-{flip}_mt-{mt}_MTS"
        save(folder / "anat" / f"{name}.nii.gz", data[..., index])
        content = {"FlipAngle": angle, "MTState": mt == "on", "RepetitionTimeExcitation": time}
        write(folder / "anat" / f"{name}.json", content)


def add_mese(folder, stem):
    data = volumes(MonoExponentialT2(ECHO_TIMES), [1000.0, T2], seed=2)
    series(folder, stem, "echo", "MESE", data, [{"EchoTime": time} for time in ECHO_TIMES])


def add_megre(folder, stem):
    data = volumes(MonoExponentialT2Star(ECHO_TIMES), [1000.0, T2STAR], seed=3)
    series(folder, stem, "echo", "MEGRE", data, [{"EchoTime": time} for time in ECHO_TIMES])


def add_ir(folder, stem):
    data = np.abs(volumes(InversionRecovery(INVERSION_TIMES), [1000.0, T1, 1.9], seed=4))
    series(folder, stem, "inv", "IRT1", data, [{"InversionTime": time} for time in INVERSION_TIMES])


def add_dwi(folder, stem, b_values=B_VALUES):
    """A 4-D series with its b-values beside it."""
    is_ivim = len(b_values) > len(B_VALUES)
    model = IVIM(b_values) if is_ivim else MonoExponentialADC(b_values)
    data = volumes(model, [1000.0, 0.2, ADC, 30e-3] if is_ivim else [1000.0, ADC], seed=5)
    (folder / "dwi").mkdir(parents=True, exist_ok=True)
    save(folder / "dwi" / f"{stem}_dwi.nii.gz", data)
    (folder / "dwi" / f"{stem}_dwi.bval").write_text(" ".join(f"{value:g}" for value in b_values))
    vectors = np.zeros((3, len(b_values)))
    vectors[0] = np.array(b_values) > 0
    np.savetxt(folder / "dwi" / f"{stem}_dwi.bvec", vectors, fmt="%g")
    write(folder / "dwi" / f"{stem}_dwi.json", {})
