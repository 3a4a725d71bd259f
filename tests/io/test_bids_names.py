"""BIDS names: there and back, what a file inherits, and keys that are missing."""

import json
import string

import hypothesis
import hypothesis.strategies as st
import pytest

from raofit.core.errors import FileError
from raofit.io.bids_names import BidsName, inherited, parse_name, read_metadata, require_key

LABELS = st.text(string.ascii_letters + string.digits + "+", min_size=1, max_size=6)
KEYS = st.text(string.ascii_lowercase, min_size=1, max_size=5)
WORDS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
EXTENSIONS = st.sampled_from(["", ".nii", ".nii.gz", ".json", ".bval", ".tsv"])
NAMES = st.builds(BidsName, st.dictionaries(KEYS, LABELS, max_size=5), WORDS, EXTENSIONS)


@hypothesis.given(NAMES)
def test_a_name_is_read_back_as_it_was_written(name):
    found = parse_name(str(name))
    assert found == name
    assert list(found.entities) == list(name.entities)


@hypothesis.given(st.text(max_size=30))
def test_what_is_read_is_what_is_written(text):
    name = parse_name(text)
    assert name is None or str(name) == text


@pytest.mark.parametrize(
    "text", ["", "sub-01", "sub-01_", "_T1w.nii", "sub_01_T1w.nii", "sub-01_sub-02_T1w", "a b.nii"]
)
def test_what_is_no_name(text):
    assert parse_name(text) is None


def test_derived_names_have_desc_last():
    name = parse_name("sub-01_desc-preproc_dwi.nii.gz")
    assert str(name.derived("ADC", ".json")) == "sub-01_desc-preproc_ADC.json"
    assert (
        str(name.derived("dwimap", ".nii", model="ivim", desc="std")) == "sub-01_model-ivim_desc-preprocstd_dwimap.nii"
    )


@pytest.fixture
def root(tmp_path):
    """Sidecars at three levels, some of other files."""
    anat = tmp_path / "sub-01" / "anat"
    anat.mkdir(parents=True)
    contents = {
        tmp_path / "MESE.json": {"EchoTime": 9.0, "FlipAngle": 90, "Place": "root"},
        tmp_path / "echo-2_MESE.json": {"EchoTime": 0.02},
        tmp_path / "acq-fast_MESE.json": {"Place": "of another acquisition"},
        tmp_path / "VFA.json": {"Place": "of another suffix"},
        anat.parent / "sub-01_MESE.json": {"Place": "subject"},
        anat / "sub-01_echo-1_MESE.json": {"EchoTime": "0.01"},
    }
    for path, content in contents.items():
        path.write_text(json.dumps(content))
    return tmp_path


def test_sidecars_apply_from_the_general_to_the_specific(root):
    first, second = (root / "sub-01" / "anat" / f"sub-01_echo-{index}_MESE.nii.gz" for index in (1, 2))
    assert read_metadata(first, root) == {"EchoTime": "0.01", "FlipAngle": 90, "Place": "subject"}
    assert read_metadata(second, root) == {"EchoTime": 0.02, "FlipAngle": 90, "Place": "subject"}
    assert [path.name for path in inherited(second, root, ".json")] == [
        "MESE.json",
        "echo-2_MESE.json",
        "sub-01_MESE.json",
    ]


def test_a_missing_key_names_image_and_sidecars(root):
    image = root / "sub-01" / "anat" / "sub-01_echo-2_MESE.nii.gz"
    with pytest.raises(FileError, match=r"sub-01_echo-2_MESE\.nii\.gz: no `InversionTime` in its sidecars \(.*MESE"):
        require_key(image, root, read_metadata(image, root), "InversionTime")
    other = root / "sub-01" / "anat" / "sub-01_echo-1_MEGRE.nii.gz"
    with pytest.raises(FileError, match=r"no `A` or `B` in the sidecars: it has none; add it to sub-01_echo-1_MEGRE"):
        require_key(other, root, {}, "A", "B")


def test_a_sidecar_that_is_no_object(root):
    (root / "MESE.json").write_text("[1, 2]")
    with pytest.raises(FileError, match=r"MESE\.json: expected a JSON object of keys and values, found list"):
        read_metadata(root / "sub-01" / "anat" / "sub-01_echo-1_MESE.nii.gz", root)
