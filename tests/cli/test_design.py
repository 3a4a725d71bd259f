"""`raofit design`: the tables, the files other verbs read, and what is refused."""

import json
import math

import numpy as np
import pytest

from raofit.io.bvalues import read_b_values
from raofit.io.fingerprint_sequence import load_sequence
from raofit.io.listed_settings import LISTED, read_listed
from raofit.io.protocol_output import write_setting
from tests.cli.helpers import entries, run

PAPER = "0 10 20 30 50 80 100 200 400 800"
TRAIN = ("--model", "mrf-fisp", "--snr", 50, "--free")
SHIPPED = ("--trains", "fisp-880")
IVIM_AT = "f=0.3,D_slow=0.0017,D_fast=0.08"


@pytest.fixture
def bval(tmp_path):
    path = tmp_path / "paper.bval"
    path.write_text(PAPER)
    return path


def table(out):
    return {row[0]: row[1:] for row in (line.split("\t") for line in out.splitlines() if "\t" in line)}


def test_new_b_values_are_shown_written_and_read_by_crb(capsys, tmp_path, bval):
    folder = tmp_path / "new"
    free = ["--free", "b_values=0:800", "--snr", 50]
    code, out, _ = run(
        capsys, "design", "--bval", bval, *free, "--weight", "D_fast=1", "--at", IVIM_AT, "--out", folder
    )
    assert code == 0
    assert "1.91 times smaller: the new protocol says as much as 1.91 repeats of the given one" in out
    rows = table(out)
    assert rows["b_values"][:2] == ["s/mm²", PAPER]
    assert rows["D_fast"] == ["1", "19.08%", "13.82%"]
    assert entries(folder) == [".raofit", "design.json", "protocol.bval"]
    written = read_b_values(folder / "protocol.bval")
    assert np.all(np.diff(written) >= 0)
    np.testing.assert_allclose(written, [float(word) for word in rows["b_values"][2].split()], rtol=1e-3)
    content = json.loads((folder / "design.json").read_text())
    assert content["Factor"] == pytest.approx(content["ObjectiveBefore"] / content["ObjectiveAfter"])
    assert content["Settings"]["b_values"]["File"] == "protocol.bval"
    assert content["Inputs"][0]["Path"] == str(bval)
    _, out, _ = run(capsys, "crb", "--bval", folder / "protocol.bval", "--snr", 50, "--at", IVIM_AT)
    assert table(out)["D_fast"][3] == "13.8%"

    code, _, err = run(capsys, "design", "--bval", bval, *free, "--out", folder)
    assert (code, "exists already" in err) == (2, True)


def test_angles_are_in_degrees_and_repetition_times_share_the_given_time(capsys, tmp_path):
    options = ["--model", "t1-vfa", "--flip", "3,10,20,30", "--tr", "15ms", "--snr", 500, "--at", "T1=1"]
    free = ["--free", "flip_angles=1:90", "--free", "repetition_time=0.005:0.05"]
    code, out, _ = run(capsys, "design", *options, *free, "--out", tmp_path / "new")
    assert code == 0
    assert "in 0.06 s of 0.06 s" in out
    angles = np.array([float(word) for word in table(out)["flip_angles"][2].split()])
    assert np.all((angles >= 1) & (angles <= 90))
    written = read_listed(str(tmp_path / "new" / "flip_angles.txt"), LISTED["flip_angles"])
    np.testing.assert_allclose(np.rad2deg(written), angles, rtol=1e-3)
    times = read_listed(str(tmp_path / "new" / "repetition_time.txt"), LISTED["repetition_time"])
    assert times.sum() == pytest.approx(0.06, rel=1e-5)
    code, out, _ = run(capsys, "design", *options, *free, "--longest", 0.04)
    assert "in 0.04 s of 0.06 s" in out


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.toml"
    angles = 5 + 55 * np.abs(np.sin(np.pi * np.arange(40) / 20))
    path.write_text(
        f"flip_angles_deg = {angles.tolist()}\nrepetition_times_ms = 12\necho_times_ms = 3\ninversion_time_ms = 20\n"
    )
    return path


def test_a_train_becomes_a_sequence_file_of_the_same_duration(capsys, tmp_path, train):
    folder = tmp_path / "new"
    options = ["--model", "mrf-fisp-known-b1", "--trains", train, "--snr", 500, "--at", "T1=0.8,T2=0.07"]
    free = ["--free", "flip_angles=5:70,repetition_times=0.008:0.02", "--nodes", 5, "--starts", 1]
    code, out, err = run(capsys, "design", *options, *free, "--out", folder)
    assert code == 0
    assert "times smaller in 0.5 s of 0.5 s" in out
    assert "Searched for" in err
    rows = table(out)
    assert rows["repetition_times"][:2] == ["seconds", "0.012 to 0.012, mean 0.012"]
    assert rows["repetition_times"][2].endswith("mean 0.012")
    assert entries(folder) == [".raofit", "design.json", "design.png", "sequence.toml"]
    written = load_sequence(folder / "sequence.toml")
    assert np.degrees(written["flip_angles"]).min() > 5 - 1e-5
    assert np.degrees(written["flip_angles"]).max() < 70 + 1e-5
    assert written["repetition_times"].sum() == pytest.approx(0.48, rel=1e-5)
    content = json.loads((folder / "design.json").read_text())
    assert list(content["Settings"]) == ["flip_angles", "repetition_times"]
    assert content["Settings"]["flip_angles"]["File"] == "sequence.toml"
    np.testing.assert_allclose(
        content["Settings"]["flip_angles"]["After"], np.degrees(written["flip_angles"]), rtol=1e-6
    )
    assert content["Factor"] > 1.5
    assert content["Inputs"][0]["Path"] == str(train)


def test_a_balanced_train_is_designed_as_smoothly(capsys, tmp_path):
    angles = [round(90 * math.sin(math.pi * pulse / 60), 3) for pulse in range(60)]
    (tmp_path / "short.json").write_text(json.dumps({"flip_angles_deg": angles, "repetition_time_ms": 4.5}))
    options = ["--model", "mrf-hybrid-state-known-b1", "--trains", tmp_path / "short.json", "--snr", 500]
    free = ["--free", "flip_angles=0:120", "--nodes", 5, "--starts", 1, "--out", tmp_path / "new"]
    code, _, message = run(capsys, "design", *options, "--at", "T1=0.8,T2=0.07", *free)
    assert code == 0, message
    written = load_sequence(tmp_path / "new" / "sequence.toml")
    assert written["repetition_time"] == pytest.approx(4.5e-3)
    assert written["is_repeated"] == 0
    new = np.degrees(written["flip_angles"])
    assert np.abs(np.diff(new)).max() < 15  # five nodes of at most 120° over 60 pulses
    assert np.abs(new - angles).max() > 5
    assert json.loads((tmp_path / "new" / "design.json").read_text())["Factor"] > 1.05


def test_the_same_seed_prints_the_same_protocol(capsys, bval):
    command = ["design", "--bval", bval, "--free", "b_values=0:500", "--snr", 30, "--starts", 2, "--seed", 3]
    assert run(capsys, *command)[1] == run(capsys, *command)[1]


@pytest.mark.parametrize("name", ["b_values", *LISTED])
def test_written_settings_are_read_back(tmp_path, name):
    values = np.array([0.1, 1.25, 2.0]) * (100.0 if name == "b_values" else 1.0)
    if name == "mt_states":
        values = np.array([1.0, 0.0, 0.0])
    path = write_setting(tmp_path, name, values)
    read = read_b_values(path) if name == "b_values" else read_listed(str(path), LISTED[name])
    np.testing.assert_allclose(read, values, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--free", "b_values=0:800"], "give the noise level either as --snr"),
        (["--free", "b_values", "--snr", 50], "--free b_values: expected NAME=VALUE"),
        (["--free", "b_values=800:0", "--snr", 50], "lower < upper, got 800 to 0"),
        (["--free", "b_values=0:8e8", "--snr", 50], "b-values in s/m² must be divided by 1e6"),
        (["--free", "echo_times=0:1", "--snr", 50], "--free echo_times: model `ivim` has b_values"),
        (["--free", "b_values=0:800", "--snr", 50, "--weight", "D=1"], "`D` is not a parameter"),
        (["--free", "b_values=0:800", "--snr", 50, "--at", "D=1"], "`D` is not a parameter"),
        (["--free", "b_values=0:800", "--snr", 50, "--longest", 3], "no `duration` to compare it with"),
        (["--free", "b_values=0:800", "--snr", 50, "--starts", 0], "at least one search, got 0"),
        (["--free", "b_values=0:800", "--snr", 50, "--nodes", 4], "b_values of model `ivim` cannot follow a curve"),
        (["--model", "qmt", "--free", "flip_angles=0:1", "--snr", 50], "its pulse trains cannot be designed"),
        ([*TRAIN, "flip_angles=5:70"], "the flip-angle trains are missing; give them with --trains FILE"),
        ([*TRAIN, "flip_angles=5:70", "--trains", "none.toml"], "none.toml: no such file"),
        ([*TRAIN, "flip_angles=5:70", *SHIPPED, "--nodes", 1], "expected 2 to 880 for the 880 `flip_angles`, got 1"),
        ([*TRAIN, "flip_angles=5:70", *SHIPPED, "--nodes", 881], "for the 880 `flip_angles`, got 881"),
        ([*TRAIN, "flip_angles=5:700", *SHIPPED], "`flip_angles`: expected 0 to 6.28319 rad, got 12.2173"),
        ([*TRAIN, "angles=5:70", *SHIPPED], "--free angles: model `mrf-fisp` has flip_angles, "),
        ([*TRAIN, "inversion_time=0:0.1", *SHIPPED, "--nodes", 4], "inversion_time of model `mrf-fisp` cannot follow"),
        ([*TRAIN, "repetition_times=0.001:0.02", *SHIPPED], "at most the repetition time of 0.001 s, got 0.003 s"),
        (
            [*TRAIN, "echo_times=0:0.01", *SHIPPED],
            "`inversion_time` can change, got `echo_times`",
        ),
    ],
)
def test_what_cannot_be_used_ends_with_one_sentence(capsys, bval, options, words):
    of_ivim = () if "--model" in options else ("--bval", bval)
    code, out, err = run(capsys, "design", *of_ivim, *options)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_bounds_that_make_no_protocol_are_refused(capsys):
    code, _, err = run(
        capsys, "design", "--model", "t1-ir-tr", "--ti", "0.1,0.5,2", "--tr", "5", "--free", "inversion_times=0.1:6",
        "--snr", 50,
    )  # fmt: skip
    assert code == 2
    assert "expected more than the inversion time of 6 s" in err
