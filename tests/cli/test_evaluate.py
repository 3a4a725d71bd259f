"""`raofit evaluate`: tables, figures and refusals."""

import csv
import json

import jax
import numpy as np
import pytest

from raofit.io.network_file import save_network
from raofit.models import MonoExponentialADC
from raofit.recipes.train_network import train_network
from raofit.recipes.training_recipe import TrainingRecipe
from tests.cli.helpers import entries, run

B_VALUES = [0, 250, 500, 1000]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    recipe = TrainingRecipe.on_the_spot(
        30.0, n_training=4000, n_validation=500, hidden=(8,), max_epochs=40, patience=40, batch_size=100
    )
    trained = train_network(MonoExponentialADC(B_VALUES), recipe, key=jax.random.key(0))
    path = tmp_path_factory.mktemp("networks") / "adc.safetensors"
    save_network(path, trained)
    return path


@pytest.fixture
def bval(tmp_path):
    path = tmp_path / "scan.bval"
    path.write_text(" ".join(map(str, B_VALUES)))
    return path


def test_a_network_beside_maximum_likelihood(capsys, tmp_path, network):
    out = tmp_path / "out"
    code, printed, _ = run(
        capsys, "evaluate", "--network", network, "--estimator", "mle", "--values", 5, "--repeats", 400, "--out", out
    )
    assert code == 0
    header, *rows = [line.split("\t") for line in printed.splitlines() if "\t" in line]
    assert header[:6] == ["method", "parameter", "unit", "bias_slope", "mean_abs_bias", "mean_std"]
    table = {(row[0], row[1]): dict(zip(header, row, strict=True)) for row in rows}
    assert set(table) == {(m, p) for m in ("adc", "maximum likelihood") for p in ("S0", "ADC")}
    fit = table["maximum likelihood", "ADC"]
    # at SNR 30 the fit is close to efficient: its std is √CRB to a few percent, plus 4 sigma of 5 × 400 draws
    assert float(fit["mean_std"]) == pytest.approx(float(fit["mean_crb_std"]), rel=0.05 + 4 / np.sqrt(2 * 2000))
    assert entries(out) == [
        ".raofit", "curves.png", "evaluation.csv", "evaluation.npz", "report.html", "summary.json", "tradeoff.png",
    ]  # fmt: skip
    with (out / "evaluation.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 10
    assert float(lines[0]["true_ADC [mm²/s]"]) == pytest.approx(0.2e-3)
    with np.load(out / "evaluation.npz") as stored:
        np.testing.assert_allclose(stored["rmse_ADC"], np.hypot(stored["bias_ADC"], stored["std_ADC"]))
        assert "bias_ADC [mm²/s]" in stored["units"]
    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert set(content["methods"]) == {"adc", "maximum likelihood"}
    assert (
        content["methods"]["adc"]["ADC"]["bias_slope"] < content["methods"]["maximum likelihood"]["ADC"]["bias_slope"]
    )
    assert content["n_repeats"] == 400
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "SNR 30" in page
    assert page.count("<img ") == 2


def test_coverage_is_counted_when_asked_for(capsys, tmp_path, network):
    out = tmp_path / "out"
    code, printed, _ = run(
        capsys, "evaluate", "--network", network, "--coverage", "--values", 3, "--repeats", 300, "--out", out
    )
    assert code == 0
    header, *rows = [line.split("\t") for line in printed.splitlines() if "\t" in line]
    named = {row[1]: dict(zip(header, row, strict=True)) for row in rows}
    assert float(named["ADC"]["coverage_50"]) < float(named["ADC"]["coverage_68"]) < float(named["ADC"]["coverage_95"])
    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))["methods"]["adc"]["ADC"]
    assert f"{content['coverage_95']:.4g}" == named["ADC"]["coverage_95"]
    with np.load(out / "evaluation.npz") as stored:
        assert stored["coverage_95_ADC"].shape == (3,)
        assert stored["coverage_95_ADC"].mean() == pytest.approx(content["coverage_95"])
    assert "intervals estimate ± 0.67, 0.99 and 1.96 standard errors" in (out / "report.html").read_text("utf-8")


def test_the_same_seed_gives_the_same_table(capsys, tmp_path, network):
    command = ("evaluate", "--network", network, "--values", 3, "--repeats", 20)
    first = run(capsys, *command, "--out", tmp_path / "a")[1]
    again = run(capsys, *command, "--out", tmp_path / "b")[1]
    other = run(capsys, *command, "--seed", 1, "--out", tmp_path / "c")[1]
    assert first.replace("/a", "") == again.replace("/b", "")
    assert first.replace("/a", "") != other.replace("/c", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "nothing to evaluate"),
        (["--estimator", "mle", "--model", "adc", "--bval", "{bval}"], "--snr is missing"),
        (["--estimator", "mle", "--model", "nmr", "--snr", 20], "expected one of adc"),
        (["--network", "{folder}/missing.safetensors"], "missing.safetensors"),
        (["--network", "{network}", "--bval", "{other}"], "trained for b_values = 0, 250, 500, 1000"),
        (["--network", "{network}", "--model", "ivim"], "expected a network for model ivim, found one for adc"),
    ],
)
def test_mistakes_end_with_one_sentence_and_no_file(capsys, tmp_path, network, bval, options, words):
    other = tmp_path / "other.bval"
    other.write_text("0 100 200 300")
    names = {"bval": bval, "other": other, "network": network, "folder": tmp_path}
    before = entries(tmp_path)
    code, _, message = run(capsys, "evaluate", *(str(o).format(**names) for o in options), "--out", tmp_path / "out")
    assert code == 2
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert entries(tmp_path) == before


def test_an_existing_folder_is_kept_without_force(capsys, tmp_path, network):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    code, _, message = run(capsys, "evaluate", "--network", network, "--out", out)
    assert code == 2
    assert "--force" in message
    assert entries(out) == ["mine.txt"]
