"""Version 5 of MATLAB's format, against SciPy's writer."""

import numpy as np
import pytest
import scipy.io

from raofit.io.matlab_v5 import names_in, read_array

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "a": RANDOM.normal(size=(2, 3, 4)),
    "single": RANDOM.normal(size=(5, 1)).astype(np.float32),
    "complex_values": RANDOM.normal(size=(300, 7)) + 1j,
    "complex_single": (RANDOM.normal(size=(3, 4)) + 1j).astype(np.complex64),
    "few": np.array([[1, 2]], np.uint8),
    "whole": np.arange(-6, 6).reshape(3, 4),
    "is_true": np.array([[True, False, True]]),
    "empty": np.empty((0, 3)),
}


@pytest.mark.parametrize("is_compressed", [False, True])
def test_arrays_of_every_class(tmp_path, is_compressed):
    path = tmp_path / "a.mat"
    others = {"text": "words", "struct": {"field": 1.0}, "cell": np.array([1, "b"], dtype=object)}
    scipy.io.savemat(path, ARRAYS | others, do_compression=is_compressed)
    assert names_in(path) == (*ARRAYS, *others)
    for name, array in ARRAYS.items():
        found = read_array(path, name)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == (np.uint8 if array.dtype == bool else array.dtype)
    assert [read_array(path, name) for name in others] == [None] * 3
    with pytest.raises(KeyError, match="nothing"):
        read_array(path, "nothing")


def test_the_other_byte_order(tmp_path):
    """A 1×2 matrix `x` = [3, -1] of doubles stored as 16-bit integers, as MATLAB saves them on such a machine."""
    words = [np.array(part, ">u4").tobytes() for part in ([6, 8, 6, 0], [5, 8, 1, 2], [1 << 16 | 1])]
    body = b"".join(words) + b"x\0\0\0" + np.array([4 << 16 | 3], ">u4").tobytes() + np.array([3, -1], ">i2").tobytes()
    head = b"MATLAB 5.0".ljust(124) + b"\1\0MI" + np.array([14, len(body)], ">u4").tobytes()
    (tmp_path / "a.mat").write_bytes(head + body)
    np.testing.assert_array_equal(read_array(tmp_path / "a.mat", "x"), [[3.0, -1.0]])


def test_sizes_that_are_not_in_the_file(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": ARRAYS["a"]})
    content = (tmp_path / "a.mat").read_bytes()
    for place in (132, 140, 160, 164, 168):  # bytes of the matrix, of its flags, its sizes
        changed = bytearray(content)
        changed[place : place + 4] = b"\xff\xff\xff\x7f"
        (tmp_path / "a.mat").write_bytes(changed)
        with pytest.raises(ValueError, match=r"cut short|no flags|another number of values"):
            read_array(tmp_path / "a.mat", "x")
