"""A volume of ten million voxels: what is held hardly grows with it."""

import os
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from tests.cli.helpers import AFFINE, B_VALUES, adc_scan
from tests.reliability.commands import RUN

_SLICE = (200, 200)


def _scan(folder, n_slices):
    """One slice, again and again, as 16-bit integers."""
    adc_scan(folder, (*_SLICE, 1))
    series = np.rint(np.asarray(nibabel.load(folder / "dwi.nii.gz").dataobj)).astype(np.int16)
    path = folder / f"{n_slices}.nii"
    nibabel.save(nibabel.Nifti1Image(np.repeat(series, n_slices, axis=2), AFFINE), path)
    return path


def _peak_bytes(folder, n_slices):
    words = [_scan(folder, n_slices), "--bval", folder / "dwi.bval", "--model", "adc", "--sigma", 5, "--memory", 64]
    command = [sys.executable, "-c", RUN, "map", *words, "--out", folder / f"maps-{n_slices}"]
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return 1024 * used.ru_maxrss


@pytest.mark.slow
def test_ten_million_voxels_take_the_memory_of_a_million(tmp_path):
    """What the larger file has more is mapped, not held, but counts; a fifth of its float32 is for mask and page."""
    few, many = (_peak_bytes(tmp_path, n_slices) for n_slices in (25, 250))
    sys.stdout.write(f"peaks: {few / 1e6:.0f} MB at 10⁶ voxels, {many / 1e6:.0f} MB at 10⁷\n")
    more = 225 * np.prod(_SLICE) * B_VALUES.size
    assert many - few < more * np.dtype(np.int16).itemsize + 0.2 * more * np.dtype(np.float32).itemsize
