"""`raofit bids` on two subjects with two modalities: maps, units, names, resume, the table, and the faults."""

import csv
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from raofit.cli import main
from raofit.core.status import Status
from raofit.io.bids_names import parse_name
from tests.cli import bids_data
from tests.cli.bids_data import save
from tests.cli.helpers import load, run

OF_A_VFA = ("M0map", "T1map", "desc-VFAstatus_dseg", "desc-std_M0map", "desc-std_T1map")
OF_AN_ADC = ("ADC", "S0map", "desc-dwistatus_dseg", "desc-std_ADC", "desc-std_S0map")
VALIDATOR = "bids-validator-deno"  # the public one, from PyPI
RESIDUALS = ("param-residual", "param-relativeresidual")


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """The data set, with a third subject whose echo times are missing, its maps, and what the command said."""
    root = bids_data.dataset(tmp_path_factory.mktemp("bids") / "study")
    bids_data.write(root / "VFA.json", {"RepetitionTimeExcitation": str(bids_data.REPETITION_TIME)})
    for subject in ("01", "02"):
        bids_data.add_vfa(root / f"sub-{subject}", f"sub-{subject}")
        bids_data.add_dwi(root / f"sub-{subject}", f"sub-{subject}")
    bids_data.add_mese(root / "sub-00", "sub-00")
    for sidecar in (root / "sub-00" / "anat").glob("*echo-3_MESE.json"):
        sidecar.write_text("{}")
    out = root / "derivatives" / "raofit"
    with pytest.MonkeyPatch.context() as patch:
        messages: list[str] = []
        patch.setattr("raofit.cli._errors._say", messages.append)
        code = main(["bids", str(root), str(out), "participant", "--sigma", str(bids_data.SIGMA)])
    return root, out, code, messages


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def sidecar(out, name):
    return json.loads((out / name).read_text())


def test_a_subject_that_fails_does_not_stop_the_others(mapped):
    _, out, code, messages = mapped
    assert code == 2
    assert len(messages) == 1
    assert re.match(
        r"1 of 3 failed, the others are done; sub-00: .*sub-00_echo-3_MESE\.nii\.gz: no `EchoTime` in its sidecars "
        r"\(.*sub-00_echo-3_MESE\.json\); add it to sub-00_echo-3_MESE\.json$",
        messages[0],
    ), messages
    assert sorted(path.name for path in out.iterdir()) == [
        ".bidsignore",
        "README.md",
        "dataset_description.json",
        "sub-01",
        "sub-02",
    ]


def test_every_file_has_the_name_bids_has_for_it(mapped):
    _, out, _, _ = mapped
    anat = [f"{stem}{end}" for stem in OF_A_VFA for end in (".json", ".nii.gz")]
    anat += [f"model-t1vfa_{name}_anatmap{end}" for name in RESIDUALS for end in (".json", ".nii.gz")]
    dwi = [f"{stem}{end}" for stem in OF_AN_ADC for end in (".json", ".nii.gz")]
    dwi += [f"model-adc_{name}_dwimap{end}" for name in RESIDUALS for end in (".json", ".nii.gz")]
    anat += ["desc-VFAstatus_dseg.tsv", "desc-VFA_report.html"]
    dwi += ["desc-dwistatus_dseg.tsv", "desc-dwi_report.html"]
    expected = [f"anat/sub-02_{name}" for name in anat] + [f"dwi/sub-02_{name}" for name in dwi]
    assert sorted([".raofit", *expected]) == files(out / "sub-02")


def test_the_description_of_the_data_set(mapped):
    root, out, _, _ = mapped
    description = sidecar(out, "dataset_description.json")
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "raofit"
    assert description["SourceDatasets"] == [{"URL": root.resolve().as_uri()}]
    assert description["Name"] == "Quantitative maps of Made up"


def test_maps_hold_the_truth_in_the_units_of_bids(mapped):
    """Five standard errors of the mean of 24 voxels; T1 in s, ADC in mm²/s."""
    _, out, _, _ = mapped
    for name, truth, unit in (("anat/sub-01_T1map", bids_data.T1, "s"), ("dwi/sub-01_ADC", bids_data.ADC, "mm^2/s")):
        folder, _, stem = name.partition("/")
        error = load(out / "sub-01" / folder / f"{stem.replace('sub-01', 'sub-01_desc-std')}.nii.gz").mean()
        values = load(out / "sub-01" / f"{name}.nii.gz")
        assert values.mean() == pytest.approx(truth, abs=5 * error / np.sqrt(values.size))
        assert sidecar(out, f"sub-01/{name}.json")["Units"] == unit
    assert sidecar(out, "sub-01/anat/sub-01_M0map.json")["Units"] == "arbitrary"
    assert sidecar(out, "sub-01/anat/sub-01_desc-std_T1map.json")["Description"].startswith("standard error of T1")


def test_angles_are_degrees_in_sidecars_and_radians_inside(mapped):
    """Both ways: what is read in degrees, quoted or not, is used in radians and written in degrees again."""
    _, out, _, _ = mapped
    content = sidecar(out, "sub-01/anat/sub-01_T1map.json")
    assert content["FlipAngle"] == list(bids_data.FLIP_DEGREES)
    protocol = content["Raofit"]["Settings"]["Protocol"]
    np.testing.assert_allclose(protocol["flip_angles"], np.deg2rad(bids_data.FLIP_DEGREES))
    np.testing.assert_allclose(protocol["repetition_time"], bids_data.REPETITION_TIME)
    assert content["RepetitionTimeExcitation"] == bids_data.REPETITION_TIME


def test_sidecars_say_where_a_map_comes_from(mapped):
    _, out, _, _ = mapped
    content = sidecar(out, "sub-01/anat/sub-01_T1map.json")
    images = [f"bids:raw:sub-01/anat/sub-01_flip-{index}_VFA.nii.gz" for index in (1, 2, 3)]
    assert content["Sources"] == images
    assert content["EstimationAlgorithm"] == "maximum likelihood (t1-vfa, rician noise)"
    assert content["EstimationReference"].startswith("https://doi.org/10.")
    assert content["SpatialReference"] == content["Sources"][0]
    assert content["SkullStripped"] is False
    assert sidecar(out, "sub-01/dwi/sub-01_ADC.json")["Sources"] == ["bids:raw:sub-01/dwi/sub-01_dwi.nii.gz"]


def test_the_table_of_the_status_map(mapped):
    _, out, _, _ = mapped
    with (out / "sub-01" / "anat" / "sub-01_desc-VFAstatus_dseg.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(int(row["index"]), row["name"]) for row in rows] == [(int(code), code.name) for code in Status]
    assert set(np.unique(load(out / "sub-01" / "anat" / "sub-01_desc-VFAstatus_dseg.nii.gz"))) <= set(map(int, Status))


def test_finished_subjects_are_left_alone_and_asked_for_by_label(mapped, capsys):
    root, out, _, _ = mapped
    before = {path: path.stat().st_mtime_ns for path in (out / "sub-01").rglob("*")}
    code, stdout, err = run(capsys, "bids", root, out, "participant", "--participant_label", "01", "sub-02")
    assert code == 0, err
    assert "sub-01 is finished already; --force maps it again" in err
    assert f"Maps are in {out}" in stdout
    assert {path: path.stat().st_mtime_ns for path in (out / "sub-01").rglob("*")} == before


def test_the_group_table(mapped, capsys):
    root, out, _, _ = mapped
    code, _, err = run(capsys, "bids", root, out, "group")
    assert code == 0, err
    with (out / "group_maps.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    dictionary = sidecar(out, "group_maps.json")
    assert list(rows[0]) == list(dictionary)
    assert [(row["participant_id"], row["session_id"]) for row in rows] == [("sub-01", "n/a"), ("sub-02", "n/a")]
    values = load(out / "sub-02" / "anat" / "sub-02_T1map.nii.gz")
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    assert float(rows[1]["T1map_median"]) == pytest.approx(median, rel=1e-5)
    assert float(rows[1]["T1map_iqr"]) == pytest.approx(high - low, rel=1e-4)
    status = load(out / "sub-02" / "dwi" / "sub-02_desc-dwistatus_dseg.nii.gz")
    assert float(rows[1]["desc-dwistatus_dseg_OK"]) == pytest.approx(np.mean(status == Status.OK), rel=1e-5)
    assert int(rows[1]["desc-dwistatus_dseg_voxels"]) == status.size
    assert dictionary["ADC_median"]["Units"] == "mm^2/s"
    (out / "group_maps.tsv").unlink()
    (out / "group_maps.json").unlink()
    content = (out / "sub-02" / "dwi" / "sub-02_ADC.json").read_text()
    (out / "sub-02" / "dwi" / "sub-02_ADC.json").write_text("[]")
    code, _, err = run(capsys, "bids", root, out, "group")
    (out / "sub-02" / "dwi" / "sub-02_ADC.json").write_text(content)
    assert (code, "sub-02_ADC.json: expected the sidecar of a map; map the subject again" in err) == (2, True)


def test_names_and_sidecars_follow_the_rules_of_bids(mapped):
    """Entities in the order of the standard, a sidecar for every image, and the keys derivatives have to have."""
    order = ("sub", "ses", "acq", "ce", "rec", "dir", "run", "space", "model", "param", "desc")
    for path in mapped[1].rglob("sub-*_*"):
        name = parse_name(path.name)
        ranks = [order.index(key) for key in name.entities]
        assert ranks == sorted(ranks)
        if name.extension == ".nii.gz":
            content = json.loads(path.with_name(f"{name.without().derived(name.suffix, '.json')}").read_text())
            assert {"Description", "Units", "Sources", "SkullStripped"} <= content.keys()
            assert content["Units"].isascii()


@pytest.mark.skipif(shutil.which(VALIDATOR) is None, reason=f"{VALIDATOR} is not installed")
def test_the_validator_of_bids_has_nothing_to_say(mapped):
    """But that nobody is named as author, which is for the users to do."""
    done = subprocess.run([VALIDATOR, "--format", "json", mapped[1]], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert {item["code"] for item in issues} <= {"TOO_FEW_AUTHORS", "NO_AUTHORS"}
    assert done.returncode == 0


def no_description(root):
    (root / "dataset_description.json").unlink()


def damaged_description(root):
    (root / "dataset_description.json").write_text("{")


def another_shape(root):
    image = root / "sub-01" / "anat" / "sub-01_flip-2_VFA.nii.gz"
    save(image, load(image)[..., :1])


def percent(root):
    image = root / "sub-01" / "fmap" / "sub-01_TB1map.nii.gz"
    save(image, 100 * load(image))


def no_series(root):
    for image in root.rglob("*.nii.gz"):
        image.unlink()


def own_output(root):
    (root / "out").mkdir()
    (root / "out" / "notes.txt").write_text("mine")


def words_for_numbers(root):
    bids_data.write(root / "VFA.json", {"RepetitionTimeExcitation": "short"})


def a_link_to_nowhere(root):
    sidecar = root / "sub-01" / "anat" / "sub-01_flip-2_VFA.json"
    sidecar.unlink()
    sidecar.symlink_to(root / "nowhere.json")


def true_for_a_number(root):
    bids_data.write(root / "VFA.json", {"RepetitionTimeExcitation": True})


def one_volume(root):
    for flip in (2, 3):
        (root / "sub-01" / "anat" / f"sub-01_flip-{flip}_VFA.nii.gz").unlink()


def nothing(root):
    pass


def wrong(name, change, *options):
    return pytest.param(change, options[:-1], options[-1], id=name)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        wrong("no data set", no_description, "study: this is not a BIDS data set, it has no dataset_description.json;"),
        wrong("description", damaged_description, r"^raofit: \S*dataset_description\.json: this is not valid JSON"),
        wrong("nothing", no_series, "study: nothing to map, expected series of IRT1, MEGRE, MESE, MTS, VFA, dwi"),
        wrong("shape", another_shape, r"sub-01: .*flip-2_VFA\.nii\.gz: the image has 4×3×1 voxels but .* has 4×3×2"),
        wrong("percent", percent, r"expected B1 over the nominal one .*found a median of 90; divide a map in percent"),
        wrong("output", own_output, r"out: expected a data set of maps that raofit made, found something else; choose"),
        wrong("number", words_for_numbers, r"expected numbers as `RepetitionTimeExcitation`, found \['short'"),
        wrong("true", true_for_a_number, r"expected numbers as `RepetitionTimeExcitation`, found \[True"),
        wrong("link", a_link_to_nowhere, r"flip-2_VFA\.json: the file could not be read \(no such file or directory\)"),
        wrong("one", one_volume, r"flip-1_VFA\.nii\.gz: the only volume of sub-01_VFA, .* that differ in flip-"),
        wrong("label", nothing, "--participant-label", "9", r"--participant-label 9: .* has no sub-9; it has 01"),
        wrong("suffix", nothing, "--model", "T1w=t2", r"--model T1w=t2: expected SUFFIX=MODEL with one of IRT1, MEGRE"),
        wrong("model", nothing, "--model", "VFA=t3", r"--model t3: expected one of adc, "),
        wrong("field", nothing, "--mask", "{sub}.nii", r"--mask \{sub\}\.nii: expected a path with \{subject\}"),
        wrong("mask", nothing, "--mask", "sub-{subject}/m*.nii", r"expected one mask for sub-01_VFA, found 0 for"),
    ],
)  # fmt: skip
def test_faults(capsys, tmp_path, change, options, words):
    root = bids_data.dataset(tmp_path / "study")
    bids_data.write(root / "VFA.json", {"RepetitionTimeExcitation": bids_data.REPETITION_TIME})
    bids_data.add_vfa(root / "sub-01", "sub-01", b1=bids_data.B1)
    change(root)
    before = files(root)
    code, stdout, err = run(capsys, "bids", root, root / "out", "participant", *options)
    assert code == 2
    assert stdout == ""
    assert err.count("\n") == 1
    assert re.search(words, err), err
    assert files(root) == before
    assert (root / "out").exists() == (change is own_output)


def test_the_series_that_fails_is_named(capsys, tmp_path):
    """A repetition time in milliseconds is seen where the series is mapped, and messages about it name no file."""
    root = bids_data.dataset(tmp_path / "study")
    bids_data.write(root / "VFA.json", {"RepetitionTimeExcitation": 15})
    bids_data.add_vfa(root / "sub-01", "sub-01")
    code, _, err = run(capsys, "bids", root, root / "out", "participant")
    assert code == 2
    assert "1 of 1 failed; sub-01_VFA: `repetition_time`: expected 0.001 to 5 s, got 15; a repetition time in ms" in err
    assert not (root / "out").exists()


def test_intervals(capsys, tmp_path):
    """With files named after them, in order around the estimate."""
    root = bids_data.dataset(tmp_path / "study")
    bids_data.add_dwi(root / "sub-01", "sub-01")
    given = ("bids", root, root / "out", "participant", "--sigma", bids_data.SIGMA, "--intervals")
    code, _, err = run(capsys, *given, 1.5)
    assert (code, "--intervals 1.5: expected a probability between 0 and 1" in err) == (2, True)
    code, _, err = run(capsys, *given, 0.95)
    assert code == 0, err
    folder = root / "out" / "sub-01" / "dwi"
    for name in ("ADC", "S0map"):
        lower, value, upper = (
            load(folder / f"sub-01_{desc}{name}.nii.gz") for desc in ("desc-lower_", "", "desc-upper_")
        )
        assert np.all((lower < value) & (value < upper))
    assert sidecar(folder, "sub-01_desc-lower_ADC.json")["Description"] == "lower end of the interval of ADC"
    assert sidecar(folder, "sub-01_desc-upper_ADC.json")["Raofit"]["Level"] == 0.95


def test_mt_saturation(capsys, tmp_path):
    """Three volumes, three parameters: no degree of freedom is left, and the maps are made; five standard errors."""
    root = bids_data.dataset(tmp_path / "study")
    bids_data.add_mts(root / "sub-01", "sub-01")
    code, _, err = run(capsys, "bids", root, root / "out", "participant", "--sigma", bids_data.SIGMA)
    assert code == 0, err
    folder = root / "out" / "sub-01" / "anat"
    for name, truth in (("T1map", bids_data.T1), ("MTsat", bids_data.MTSAT)):
        values = load(folder / f"sub-01_{name}.nii.gz")
        error = load(folder / f"sub-01_desc-std_{name}.nii.gz").mean()
        assert values.mean() == pytest.approx(truth, abs=5 * error / np.sqrt(values.size))
    assert np.all(load(folder / "sub-01_desc-MTSstatus_dseg.nii.gz") == Status.OK)
    assert not np.any(load(folder / "sub-01_model-mtsat_param-residual_anatmap.nii.gz"))
    content = sidecar(folder, "sub-01_T1map.json")
    assert content["FlipAngle"] == [6.0, 6.0, 20.0]
    assert content["EstimationReference"] == "https://doi.org/10.1002/mrm.21732"


def test_group_without_maps(capsys, tmp_path):
    root = bids_data.dataset(tmp_path / "study")
    code, _, err = run(capsys, "bids", root, root / "out", "group")
    assert code == 2
    assert "out: expected a data set of maps that raofit made, found something else; run the participant level" in err
