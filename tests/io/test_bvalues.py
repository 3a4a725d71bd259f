"""b-value files as FSL, scanners and people write them."""

from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.io.bvalues import read_b_values, require_one_per_volume


@pytest.mark.parametrize(
    "text",
    [
        "0 10 800",
        "0 10 800\n",
        "0\n10\n800\n",
        "0,10,800",
        "0, 10,\n800,",
        "0\t10\r\n800  \n\n",
        "\ufeff0 1e1 8.0e2",
        "0;10;800",
    ],
)
def test_separators(tmp_path, text):
    path = tmp_path / "a.bval"
    path.write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_b_values(path), [0, 10, 800])


@hypothesis.given(
    values=st.lists(st.floats(0, 5e4), min_size=1, max_size=40).filter(lambda values: max(values) >= 10),
    separators=st.data(),
)
def test_any_layout_gives_the_same_numbers(tmp_path_factory, values, separators):
    path = tmp_path_factory.mktemp("b") / "a.bval"
    choose = st.sampled_from([" ", "\n", ",", ", ", "\t", "  \n"])
    path.write_text("".join(f"{value!r}{separators.draw(choose)}" for value in values))
    np.testing.assert_array_equal(read_b_values(path), values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 1e9 2e9", r"b = 2e\+09 cannot be in s/mm².*s/m².*divide the file's values by 1e6"),
        ("0 0.5 0.8", r"largest b-value is 0\.8.*ms/µm².*multiply the file's values by 1000"),
        ("0 -10 800", r"expected b-values ≥ 0 s/mm², found -10"),
    ],
)
def test_implausible_values_come_with_the_fix(tmp_path, text, words):
    path = tmp_path / "a.bval"
    path.write_text(text)
    with pytest.raises(ProtocolError, match=words):
        read_b_values(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "found an empty file"),
        (b"0 ten 20", "found 'ten'"),
        (b"0 nan 20", "expected finite"),
        (b"\xff\xfe\x00", "binary data"),
    ],
)
def test_unreadable_files(tmp_path, content, words):
    path = tmp_path / "a.bval"
    path.write_bytes(content)
    with pytest.raises(FileError, match=words):
        read_b_values(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_b_values(tmp_path / "a.bval")


def test_wrong_count_names_both_counts_and_both_files():
    with pytest.raises(ProtocolError, match=r"a\.bval has 3 b-values but dwi\.nii has 11 volumes"):
        require_one_per_volume(np.zeros(3), "a.bval", "b-values", 11, Path("dwi.nii"))
