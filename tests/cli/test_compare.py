"""`raofit compare`: the frontier of networks, maximum likelihood and dictionaries, and refusals."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from raofit.io.network_file import load_network, save_network
from raofit.models import MonoExponentialADC
from tests.cli import fingerprints
from tests.cli.helpers import entries, run
from tests.estimators.untrained import untrained, untrained_complex

B_VALUES = [0, 250, 500, 1000]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network with random weights, again with another record, one of another model, and files of b-values."""
    path = tmp_path_factory.mktemp("compared")
    adc = MonoExponentialADC(B_VALUES)
    save_network(path / "a.raofit", untrained(adc))
    save_network(path / "b.raofit", dataclasses.replace(untrained(adc), provenance={"seed": 1}))
    (path / "copy.raofit").write_bytes((path / "a.raofit").read_bytes())
    save_network(path / "ivim.raofit", untrained())
    (path / "scan.bval").write_text(" ".join(map(str, B_VALUES)))
    (path / "other.bval").write_text("0 100 200 300")
    return path


def test_every_estimator_at_every_snr(capsys, folder, tmp_path):
    out = tmp_path / "out"
    networks = ("--network", folder / "a.raofit", "--network", folder / "b.raofit")
    others = ("--estimator", "mle", "--estimator", "dictionary", "--grid", "ADC=0.0001:0.004:100:log")
    sizes = ("--values", 5, "--repeats", 100)
    code, printed, _ = run(capsys, "compare", *networks, *others, "--snr", "40,20", *sizes, "--out", out)
    assert code == 0
    methods = ["a", "b", "maximum likelihood", "dictionary"]
    header, *rows = [line.split("\t") for line in printed.splitlines() if "\t" in line]
    assert header == ["snr", "method", "parameter", "squared_bias", "variance", "slope"]
    assert [row[:3] for row in rows] == [
        [snr, method, name] for snr in ("20", "40") for method in methods for name in ("ADC", "mean")
    ]
    assert all(f"{method}, SNR 40: with a systematic error of" in printed for method in methods)
    assert entries(out) == [
        ".raofit", "curves.png", "evaluation.csv", "frontier.csv", "frontier.png", "report.html", "summary.json",
    ]  # fmt: skip
    with (out / "frontier.csv").open(encoding="utf-8", newline="") as file:
        table = {(row["snr"], row["method"]): row for row in csv.DictReader(file) if row["parameter"] == "ADC"}
    assert table["20", "a"] == table["20", "b"] | {"method": "a"}  # the same noise for both
    for method in ("maximum likelihood", "dictionary"):
        # nearly efficient at SNR 40: 4 standard errors of the variance of 5 × 100 draws beside 8 % of curvature
        found = table["40", method]
        assert float(found["variance"]) == pytest.approx(1.0, abs=0.08 + 4 * np.sqrt(2 / 500))
        assert float(found["squared_bias"]) == pytest.approx(0.0, abs=0.1)
    # the network's bias hardly depends on noise of 1/40: it is that of its answer to the noise-free signal
    network, truth = load_network(folder / "a.raofit"), np.linspace(0.2e-3, 3e-3, 5)
    with (out / "evaluation.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["snr"], row["method"]) == ("40", "a")]
    np.testing.assert_allclose([float(row["true_ADC [mm²/s]"]) for row in rows], truth)
    answer = network.estimate(network.model.signal(np.stack([np.ones(5), truth], axis=-1)))["ADC"]
    spread = 5 * np.array([float(row["std_ADC [mm²/s]"]) for row in rows])
    assert np.all(np.abs([float(row["bias_ADC [mm²/s]"]) for row in rows] - (answer - truth)) < spread)
    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert set(content["snr"]["20"]) == set(methods)
    assert content["truths"] == "5 combinations of true values"


def test_held_out_fingerprints(capsys, folder, tmp_path):
    samples = fingerprints.training_set(60, seed=1)
    save_network(tmp_path / "net.raofit", untrained_complex(samples=samples, estimated=("m0s", "R1f")))
    fingerprints.saved(tmp_path / "held.h5", n=60, seed=1)
    given = ("--network", tmp_path / "net.raofit", "--training-set", tmp_path / "held.h5")
    code, printed, message = run(capsys, "compare", *given, "--repeats", 10, "--out", tmp_path / "out")
    assert (code, message) == (0, "")
    rows = [line.split("\t") for line in printed.splitlines() if "\t" in line][1:]
    assert [row[0] for row in rows] == 3 * ["20"] + 3 * ["34.64"] + 3 * ["60"]
    assert [row[2] for row in rows] == 3 * ["m0s", "R1f", "mean"]
    content = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert content["truths"] == "40 held-out fingerprints"  # a third is of the second component
    assert (tmp_path / "out" / "plane-m0s.png").exists()
    with (tmp_path / "out" / "evaluation.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["crb_std_m0s [1]"]) == pytest.approx(np.sqrt(samples.bound[0, 0]) / 20)
    code, _, message = run(
        capsys, "compare", *given, "--estimator", "mle", "--repeats", 10, "--out", tmp_path / "again"
    )
    assert code == 2
    assert "--estimator mle: fitting every noise draw" in message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "nothing to compare: give --network FILE"),
        (["--estimator", "mle", "--estimator", "mle"], "--estimator mle: given twice"),
        (["--network", "a.raofit", "--network", "copy.raofit"], "copy.raofit: the same network as"),
        (["--network", "a.raofit", "--network", "a.raofit"], "two files have the same name"),
        (["--network", "a.raofit", "--network", "ivim.raofit"], "expected a network for model adc, found one for ivim"),
        (["--network", "a.raofit", "--bval", "other.bval"], "trained for b_values = 0, 250, 500, 1000"),
        (["--estimator", "mle", "--model", "adc", "--bval", "scan.bval"], "--snr is missing"),
        (["--network", "a.raofit", "--repeats", "1"], "--repeats 1: expected 2 or more"),
        (["--network", "a.raofit", "--grid", "ADC=0.001"], "--grid: it states the values of a dictionary"),
        (["--network", "a.raofit", "--bounds", "ADC=0:1"], "--bounds: they are those of maximum likelihood"),
    ],
)
def test_mistakes_end_with_one_sentence_and_no_file(capsys, folder, tmp_path, options, words):
    given = [folder / option if option.endswith((".raofit", ".bval")) else option for option in options]
    code, _, message = run(capsys, "compare", *given, "--out", tmp_path / "out")
    assert code == 2
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert entries(tmp_path) == []
