"""`raofit crb`: the table, the words, and the files."""

import csv
import json
import re

import numpy as np
import pytest

from raofit.information.crb import crb
from raofit.models import REGISTRY
from raofit.models._registry import Registered
from raofit.noise import ComplexGaussian
from tests.cli import toy_qmt
from tests.cli.helpers import entries, run

PAPER = "0 10 20 30 50 80 100 200 400 800"


@pytest.fixture
def bval(tmp_path):
    path = tmp_path / "paper.bval"
    path.write_text(PAPER)
    return path


def test_the_papers_protocol_names_fast_diffusion(capsys, bval):
    code, out, _ = run(capsys, "crb", "--bval", bval, "--snr", 15)
    assert code == 0
    rows = [line.split("\t") for line in out.splitlines() if "\t" in line]
    table = {row[0]: row for row in rows[1:]}
    assert table["D_fast"][-1] == "not identifiable"
    assert float(table["D_fast"][3]) == pytest.approx(51.07e-3, rel=2e-3)
    assert [float(table[name][3]) for name in ("S0", "f", "D_slow")] == pytest.approx(
        [0.06583, 0.0693, 0.40679e-3], rel=2e-3
    )
    assert "D_fast cannot be identified" in out
    assert sum("cannot be identified:" in line for line in out.splitlines()) == 1


def test_settings_reach_the_bound(capsys, bval):
    _, out, _ = run(
        capsys,
        "crb",
        "--bval",
        bval,
        "--sigma",
        0.001,
        "--noise",
        "gaussian",
        "--at",
        "f=0.2,D_fast=0.05",
        "--fixed",
        "S0",
    )
    table = {line.split("\t")[0]: line.split("\t") for line in out.splitlines() if "\t" in line}
    assert table["S0"][-1] == "known"
    assert (table["f"][2], table["D_fast"][2]) == ("0.2", "0.05")
    assert "Every parameter can be identified" in out


def test_the_folder(capsys, tmp_path, bval):
    out = tmp_path / "out"
    assert run(capsys, "crb", "--bval", bval, "--snr", 15, "--out", out)[0] == 0
    assert entries(out) == [".raofit", "crb.csv", "crb.json", "crb.png", "report.html"]
    content = json.loads((out / "crb.json").read_text())
    assert content["Parameters"]["D_fast"]["Verdict"] == "not identifiable"
    assert content["Protocol"]["b_values"][-1] == 800
    with (out / "crb.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["parameter", "S0", "f", "D_slow", "D_fast"]
    assert "D_fast cannot be identified" in (out / "report.html").read_text()
    code, _, err = run(capsys, "crb", "--bval", bval, "--snr", 15, "--out", out)
    assert code == 2
    assert "exists already" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--snr", "15"], "b-values are missing; give them with --bval"),
        (["--model", "t2", "--snr", "15", "--te", "12.8,25.6"], "too long for an echo time"),
        (["--model", "t3", "--snr", "15"], "--model t3: expected one of adc, ivim"),
        (["--model", "mrf-fisp", "--trains", "hybrid-840", "--snr", "9"], "hybrid-840: .* sequence of balanced pulses"),
        (["--model", "mrf-hybrid-state", "--trains", "fisp-880", "--snr", "9"], "fisp-880: .* of gradient-spoiled"),
        (["--model", "mrf-hybrid-state", "--trains", "hybrid-840", "--tr", "5ms"], "--tr 5ms: .* are in hybrid-840"),
        (["--model", "t2", "--te", "10ms,20ms"], "either as --snr .* or as --sigma"),
        (["--model", "t2", "--te", "10ms,20ms", "--snr", "-1"], "expected a signal-to-noise ratio > 0"),
        (["--model", "t2", "--te", "10ms,20ms", "--sigma", "-1"], "expected a noise standard deviation > 0"),
        (["--model", "t2", "--te", "10ms,20ms", "--snr", "9", "--at", "T2"], "expected NAME=VALUE"),
        (["--model", "t2", "--te", "10ms,20ms", "--snr", "9", "--at", "T2=fast"], "expected a number, found 'fast'"),
        (["--model", "t2", "--te", "10ms,20ms", "--snr", "9", "--at", "T1=1"], "`T1` is not a parameter"),
        (["--model", "t2", "--te", "10ms,20ms", "--snr", "9", "--fixed", "T1"], "`T1` is not a parameter"),
    ],
)
def test_faults_are_one_sentence(capsys, options, words):
    code, out, err = run(capsys, "crb", *options)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(words, err)


def test_pulse_trains_and_a_basis(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(REGISTRY, "qmt", Registered(toy_qmt.Toy, toy_qmt.Toy))
    toy_qmt.write_scan(tmp_path)
    tokens = ["crb", "--model", "qmt", "--trains", tmp_path / "control.mat", "--tr", "3.5ms", "--snr", 100]
    point = ["--at", "f=0.3,R=12,omega0=40"]

    def deviations(*options):
        code, out, err = run(capsys, *tokens, *point, *options)
        assert code == 0, err
        rows = [line.split("\t") for line in out.splitlines() if "\t" in line]
        return np.array([float(row[3]) for row in rows[1:]])

    whole = deviations()
    model = toy_qmt.Toy(**toy_qmt.protocol())
    expected = np.sqrt(crb(model, [0.3, 12.0, 40.0], ComplexGaussian(0.01)))
    assert whole == pytest.approx(expected, rel=2e-3)
    compressed = deviations("--basis", tmp_path / "basis.mat", "--out", tmp_path / "out")
    assert np.all(compressed >= 0.999 * whole)
    content = json.loads((tmp_path / "out" / "crb.json").read_text())
    assert content["Protocol"]["flip_angles"].startswith("60 values from ")
    assert content["Fisher"] == "real"
    assert np.all(deviations("--fisher", "hermitian", "--basis", tmp_path / "basis.mat") >= 0.999 * compressed)
    assert np.all(deviations("--fixed", "M0") <= 1.001 * whole)


@pytest.mark.parametrize(("tissue", "percent"), [("T1=0.8,T2=0.07", (4.0, 4.3)), ("T1=1.3,T2=0.1", (5.6, 4.4))])
def test_the_shipped_balanced_train_reaches_what_its_page_says(capsys, tissue, percent):
    tokens = ["crb", "--model", "mrf-hybrid-state-known-b1", "--trains", "hybrid-840", "--snr", 20, "--at", tissue]
    _, out, _ = run(capsys, *tokens)
    found = [float(line.split("\t")[4].rstrip("%")) for line in out.splitlines() if line.startswith(("T1\t", "T2\t"))]
    assert tuple(found) == percent
