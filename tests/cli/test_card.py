"""`raofit card`: tables, page, and one sentence for every file that is no network."""

import csv
import dataclasses
import html
import json
import re

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.evaluation.coverage import level_words
from raofit.io.network_file import load_network, save_network
from raofit.models import MonoExponentialADC
from raofit.recipes.card import measured_again
from tests.cli.helpers import entries, run
from tests.estimators.untrained import untrained, untrained_complex

FIGURES = {"bias": 1e-4, "bias_slope": -0.5, "std": 0.2, "rmse": 0.25, "crb_std": 0.3, "constant_rmse": 0.4}
INTERVALS = dict(
    zip(
        level_words("coverage") + level_words("calibrated_coverage") + level_words("interval_factor"),
        (0.40, 0.58, 0.85, 0.51, 0.69, 0.949, 0.9, 1.4, 2.8),
        strict=True,
    )
)
PROVENANCE = {
    "recipe": {"labels": "truth", "weights": "inverse-mean", "n_training": 4000},
    "seed": 3,
    "training_seconds": 12.5,
    "epochs": 40,
    "versions": {"raofit": "0.1.0"},
}


def _network(*, snrs=(10.0, 40.0), intervals=INTERVALS):
    made = [{"snr": snr, "parameters": dict.fromkeys(("S0", "ADC"), FIGURES | intervals)} for snr in snrs]
    return dataclasses.replace(
        untrained(MonoExponentialADC([0, 300, 600, 1000])),
        snr_range=(10.0, 40.0),
        card={"n_truths": 400, "n_repeats": 100, "entries": made} if made else {},
        provenance=PROVENANCE,
    )


@pytest.fixture
def path(tmp_path):
    save_network(tmp_path / "adc.raofit", _network())
    return tmp_path / "adc.raofit"


def _page_text(folder):
    page = re.sub(r'src="data:[^"]*"', "", (folder / "report.html").read_text("utf-8"))
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


def test_the_card_is_printed_as_a_table_and_what_the_network_was_trained_on(capsys, path):
    code, printed, _ = run(capsys, "card", path)
    assert code == 0
    table, facts = printed.split("\n\n")
    header, *rows = [line.split("\t") for line in table.splitlines()]
    assert [(row[0], row[1]) for row in rows] == [("10", "S0"), ("10", "ADC"), ("40", "S0"), ("40", "ADC")]
    named = dict(zip(header, rows[1], strict=True))
    assert named["efficiency"] == "2.25"  # (0.3/0.2)²
    assert (named["coverage_95"], named["interval_factor_95"]) == ("0.85", "2.8")
    known = dict(line.split("\t") for line in facts.strip().splitlines())
    assert known["protocol"] == "b_values = 0, 300, 600, 1000"
    assert (known["SNR"], known["seed"], known["training time"]) == ("10 to 40", "3", "12.5 s")
    assert known["trained range of ADC (mm²/s)"] == "0.0002 to 0.003"


def test_the_page_has_errors_intervals_and_training(capsys, path, tmp_path):
    out = tmp_path / "card"
    assert run(capsys, "card", path, "--out", out)[0] == 0
    assert entries(out) == [".raofit", "card.csv", "card.json", "coverage.png", "errors.png", "report.html"]
    text = " ".join(_page_text(out).split())
    for words in (
        "The network's ADC shows only 50% of the true differences",
        "hold the true ADC in 85% of the voxels at SNR 10",
        "±2.80 hold it in 95 %",
        "b_values (s/mm²): 0, 300, 600, 1000",
        "inverse-mean",
    ):
        assert words in text
    assert (out / "report.html").read_text("utf-8").count("<img ") == 2
    with (out / "card.csv").open(encoding="utf-8", newline="") as file:
        assert [row["coverage_68"] for row in csv.DictReader(file)] == ["0.58"] * 4
    content = json.loads((out / "card.json").read_text(encoding="utf-8"))
    assert content["Card"]["entries"][0]["parameters"]["ADC"]["interval_factor_95"] == 2.8
    assert content["Inputs"][0]["Path"] == str(path)


@pytest.mark.parametrize("network", [_network(intervals={}), _network(snrs=())], ids=["no intervals", "no card"])
def test_what_was_not_measured_is_said(capsys, tmp_path, network):
    save_network(tmp_path / "old.raofit", network)
    code, printed, _ = run(capsys, "card", tmp_path / "old.raofit", "--out", tmp_path / "out")
    assert code == 0
    assert "coverage of intervals\tnot measured" in printed
    assert "Coverage of intervals: not measured." in " ".join(_page_text(tmp_path / "out").split())
    with pytest.raises(RaofitError, match="no factors of 95 % intervals"):
        network.interval_factors()


def test_a_card_is_measured_again_without_training(capsys, tmp_path):
    old, new = tmp_path / "old.raofit", tmp_path / "new.raofit"
    save_network(old, _network(snrs=()))
    code, printed, _ = run(capsys, "card", old, "--measure", new, "--seed", 7)
    assert code == 0
    assert "coverage of intervals\tmeasured at 3 SNR" in printed
    assert "measured again with seed 7" in printed
    before, after = load_network(old), load_network(new)
    np.testing.assert_array_equal(after.weights, before.weights)
    assert after.provenance == before.provenance
    assert after.interval_factors(0.68).shape == (2,)
    code, printed, message = run(capsys, "card", old, "--measure", new)
    assert (code, printed) == (2, "")
    assert "--force" in message


@pytest.mark.slow
def test_fingerprints_of_the_first_component_are_simulated_for_it():
    network = measured_again(untrained_complex(), seed=1)
    assert (network.card["seed"], network.card["n_truths"]) == (1, 400)
    for entry in network.card["entries"]:
        for figures in entry["parameters"].values():
            assert figures["weighted_variance"] is not None
            # 400 truths of the card and 2000 of the calibration
            assert abs(figures["calibrated_coverage_95"] - 0.95) < 4 * np.sqrt(0.95 * 0.05 * (1 / 400 + 1 / 2000))


def test_factors_of_intervals_lie_between_those_of_neighboring_snrs():
    low, high = INTERVALS, INTERVALS | {"interval_factor_95": 4.8}
    network = _network()
    for entry, of in zip(network.card["entries"], (low, high), strict=True):
        entry["parameters"]["ADC"] = FIGURES | of
    np.testing.assert_allclose(network.interval_factors(), [2.8, 3.8])  # at SNR 20, halfway in log SNR
    np.testing.assert_allclose(network.interval_factors(snr=500.0), [2.8, 4.8])
    np.testing.assert_allclose(network.interval_factors(snr=np.array([20.0, 5000.0])), [[2.8, 3.8], [2.8, 4.8]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file; expected a network written by `raofit train`, or one that comes with raofit"),
        (b"not a network", "this is not a raofit network file, or it is damaged"),
        ("truncated", "this is not a raofit network file, or it is damaged"),
    ],
)
def test_faults_end_with_one_sentence_and_no_folder(capsys, path, tmp_path, content, words):
    broken = tmp_path / "broken.raofit"
    if content is not None:
        broken.write_bytes(path.read_bytes()[:2000] if content == "truncated" else content)
    before = entries(tmp_path)
    code, printed, message = run(capsys, "card", broken, "--out", tmp_path / "out")
    assert (code, printed) == (2, "")
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert entries(tmp_path) == before


def test_an_existing_folder_is_kept_without_force(capsys, path, tmp_path):
    out = tmp_path / "card"
    assert run(capsys, "card", path, "--out", out)[0] == 0
    code, printed, message = run(capsys, "card", path, "--out", out)
    assert (code, printed) == (2, "")
    assert "--force" in message
    assert run(capsys, "card", path, "--out", out, "--force")[0] == 0
