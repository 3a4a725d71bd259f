"""Small scans on disk, and the command line run in this process."""

import nibabel
import numpy as np

from raofit.cli import main

B_VALUES = np.array([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0])
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])


def save(path, data, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return path


def load(path):
    return np.asarray(nibabel.load(path).dataobj)


def adc_scan(folder, shape=(8, 7, 3), *, sigma=5.0, seed=0):
    """A magnitude scan of a mono-exponential phantom: files dwi.nii.gz and dwi.bval, and the true ADC."""
    generator = np.random.default_rng(seed)
    diffusivity = generator.uniform(0.5e-3, 2e-3, shape)
    signal = 200.0 * np.exp(-diffusivity[..., None] * B_VALUES)
    noise = generator.normal(0, sigma, (2, *signal.shape))
    save(folder / "dwi.nii.gz", np.hypot(signal + noise[0], noise[1]).astype(np.float32))
    (folder / "dwi.bval").write_text(" ".join(f"{value:g}" for value in B_VALUES))
    return diffusivity


def run(capsys, *tokens):
    """Exit code, standard output and standard error of one command."""
    code = main([str(token) for token in tokens])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def entries(folder):
    return sorted(path.name for path in folder.iterdir())
