"""A volume of ten million voxels: what is held hardly grows with it."""

import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.cli.helpers import AFFINE, B_VALUES, adc_scan
from tests.reliability.commands import RUN

_SLICE = (200, 200)
_FEW, _MANY = 100, 250  # slices: four and ten million voxels, both more than a page holds
_EVERY = 0.01  # s


def _scan(folder: Path, n_slices: int) -> Path:
    """One slice, again and again, as 16-bit integers."""
    adc_scan(folder, (*_SLICE, 1))
    series = np.rint(np.asarray(nibabel.load(folder / "dwi.nii.gz").dataobj)).astype(np.int16)
    path = folder / f"{n_slices}.nii"
    nibabel.save(nibabel.Nifti1Image(np.repeat(series, n_slices, axis=2), AFFINE), path)
    return path


def _anonymous_bytes(process: subprocess.Popen) -> int:
    """What a process holds at the moment, mapped files apart."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def _peak_bytes(folder: Path, n_slices: int) -> int:
    """Of the second of two runs: the first may compile, which takes some 150 MB for a moment."""
    words = [_scan(folder, n_slices), "--bval", folder / "dwi.bval", "--model", "adc", "--sigma", 5, "--memory", 64]
    command = [sys.executable, "-c", RUN, "map", *words, "--force", "--out", folder / f"maps-{n_slices}"]
    for _ in range(2):
        process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _anonymous_bytes(process))
            time.sleep(_EVERY)
        assert process.returncode == 0
    return peak


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see what a process holds")
def test_what_is_held_of_a_volume_does_not_grow_with_it(tmp_path):
    """Of every further voxel: its place in mask and page, a tenth of its measurements as float32."""
    few, many = (_peak_bytes(tmp_path, n_slices) for n_slices in (_FEW, _MANY))
    sys.stdout.write(f"peaks: {few / 1e6:.0f} MB at 4·10⁶ voxels, {many / 1e6:.0f} MB at 10⁷\n")
    more = (_MANY - _FEW) * np.prod(_SLICE) * B_VALUES.size * np.dtype(np.float32).itemsize
    assert many - few < 0.1 * more
