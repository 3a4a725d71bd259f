"""What is found in a BIDS data set: the order of volumes, parts and echoes that are left out, B1 maps."""

import json
import re

import pytest

from raofit.core.errors import FileError
from raofit.io.bids_dataset import Visit, find_b1_map, find_collections, find_visits, is_generated_by

VISIT = Visit("01")


@pytest.fixture
def make(tmp_path):
    """Empty files by name, in the folders of subject 01; and the root."""

    def files(datatype, *names):
        folder = tmp_path / "sub-01" / datatype
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).touch()
        return tmp_path

    return files


def found(root):
    return {str(item.name): [path.name for path in item.images] for item in find_collections(root, VISIT)}


def test_volumes_are_in_the_order_of_their_numbers(make):
    root = make("anat", *(f"sub-01_echo-{index}_MESE.nii.gz" for index in (10, 2, 1)), "sub-01_T1w.nii.gz")
    assert found(root) == {"sub-01_MESE": [f"sub-01_echo-{index}_MESE.nii.gz" for index in (1, 2, 10)]}
    assert found(make("anat", "sub-01_inv-01_IRT1.nii"))["sub-01_IRT1"] == ["sub-01_inv-01_IRT1.nii"]


def test_acquisitions_are_apart_and_phases_left_out(make):
    root = make(
        "anat",
        *(f"sub-01_acq-{name}_echo-1_part-{part}_MEGRE.nii.gz" for name in "ab" for part in ("mag", "phase", "real")),
    )
    assert found(root) == {
        f"sub-01_acq-{name}_MEGRE": [f"sub-01_acq-{name}_echo-1_part-mag_MEGRE.nii.gz"] for name in "ab"
    }


def test_the_first_echo_of_several_at_each_flip_angle(make):
    root = make("anat", *(f"sub-01_echo-{echo}_flip-{flip}_VFA.nii.gz" for echo in (1, 2) for flip in (1, 2)))
    assert found(root) == {"sub-01_VFA": [f"sub-01_echo-1_flip-{flip}_VFA.nii.gz" for flip in (1, 2)]}


def test_every_diffusion_image_is_a_series(make):
    root = make("dwi", "sub-01_dir-AP_dwi.nii.gz", "sub-01_dir-PA_dwi.nii.gz", "sub-01_dir-AP_sbref.nii.gz")
    assert found(root) == {f"sub-01_dir-{way}_dwi": [f"sub-01_dir-{way}_dwi.nii.gz"] for way in ("AP", "PA")}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["sub-01_echo-1_MESE.nii", "sub-01_echo-01_MESE.nii"], r"_MESE\.nii is echo 1 as well; remove one of them"),
        (["sub-01_echo-one_MESE.nii"], r"expected a number after `echo-`, found 'one'; rename the file"),
    ],
)
def test_faults_of_names(make, names, words):
    with pytest.raises(FileError, match=words):
        find_collections(make("anat", *names), VISIT)


def test_the_b1_map_of_a_series(make):
    root = make("anat", "sub-01_flip-1_VFA.nii.gz")
    (series,) = find_collections(root, VISIT)
    assert find_b1_map(root, series) is None
    make("fmap", "sub-01_TB1map.nii.gz")
    assert find_b1_map(root, series).name == "sub-01_TB1map.nii.gz"
    make("fmap", "sub-01_acq-b_TB1map.nii.gz")
    with pytest.raises(
        FileError, match=r"expected one B1 map for sub-01_VFA, found 2, of which 0 are `IntendedFor` it"
    ):
        find_b1_map(root, series)
    sidecar = root / "sub-01" / "fmap" / "sub-01_acq-b_TB1map.json"
    sidecar.write_text(json.dumps({"IntendedFor": ["bids::sub-01/anat/sub-01_flip-1_VFA.nii.gz"]}))
    assert find_b1_map(root, series).name == "sub-01_acq-b_TB1map.nii.gz"


def test_visits_and_what_is_not_there(tmp_path):
    for folder in ("sub-02/ses-b", "sub-02/ses-a", "sub-01/anat"):
        (tmp_path / folder).mkdir(parents=True)
    assert [str(visit) for visit in find_visits(tmp_path)] == ["sub-01", "sub-02_ses-a", "sub-02_ses-b"]
    assert find_visits(tmp_path, ["sub-02"], ["b"]) == [Visit("02", "b")]
    with pytest.raises(FileError, match=re.escape("--participant-label 7: ") + r".* has no sub-7; it has 01, 02"):
        find_visits(tmp_path, ["7"])
    with pytest.raises(FileError, match=r"--session-label c: .* has no ses-c; it has a, b"):
        find_visits(tmp_path, (), ["c"])


def test_who_made_a_data_set(tmp_path):
    assert not is_generated_by(tmp_path, "raofit")
    (tmp_path / "dataset_description.json").write_text(json.dumps({"GeneratedBy": [{"Name": "raofit"}]}))
    assert is_generated_by(tmp_path, "raofit")
    assert not is_generated_by(tmp_path, "another")
