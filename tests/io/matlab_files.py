"""MATLAB files as MATLAB writes them: v7.3 (HDF5 behind a 512-byte header, axes reversed) and v5."""

import h5py
import numpy as np
import scipy.io

_HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 ."


def write_v73(path, **variables):
    """Arrays in MATLAB's axis order; a string or a dict becomes what MATLAB makes of it."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            if isinstance(value, dict):
                file.create_group(name).attrs["MATLAB_class"] = np.bytes_("struct")
                continue
            is_text = isinstance(value, str)
            array = np.array([[ord(letter) for letter in value]], np.uint16) if is_text else np.asarray(value)
            if np.iscomplexobj(array):
                real = array.real.dtype
                parts = np.empty(array.shape, [("real", real), ("imag", real)])
                parts["real"], parts["imag"] = array.real, array.imag
                array = parts
            dataset = file.create_dataset(name, data=array.T)
            dataset.attrs["MATLAB_class"] = np.bytes_("char" if is_text else "double")
    with path.open("r+b") as stream:
        stream.write(_HEADER.ljust(124) + b"\x00\x02IM")
    return path


def write_v5(path, **variables):
    scipy.io.savemat(path, variables)
    return path


def cut_short(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
