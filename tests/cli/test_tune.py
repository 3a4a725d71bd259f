"""`raofit compare --tune`: candidates are plain trainings, the objective chooses, and mistakes are sentences."""

import csv
import json

import numpy as np
import pytest

from raofit.cli import _tune_train, main
from raofit.io.network_file import load_network
from raofit.recipes.train_network import train_network
from tests.cli import fingerprints
from tests.cli.helpers import entries, run
from tests.cli.test_train import RECIPE

SET_RECIPE = """
preset = "compact-mse-crb"
hidden = [6]
max_epochs = 2
n_validation = 60
batch_size = 40
n_realizations = 3
snr = [10, 40]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A protocol, a recipe, and a tuning of three values."""
    path = tmp_path_factory.mktemp("tuned")
    (path / "adc.bval").write_text("0 300 600 1000\n")
    (path / "recipe.toml").write_text(RECIPE.format(epochs=4))
    assert main(_arguments(path, out=path / "out")) == 0
    return path


def _arguments(folder, *more, out, objective="rmse:ADC", tune="alpha=0:1:3"):
    given = ["compare", "--model", "adc", "--bval", folder / "adc.bval", "--recipe", folder / "recipe.toml"]
    sizes = ["--values", 5, "--repeats", 40, "--tune", tune, "--objective", objective, "--out", out]
    return [str(token) for token in (*given, *sizes, *more)]


def _table(out):
    with (out / "tune.csv").open(encoding="utf-8", newline="") as file:
        return {row["candidate"]: row for row in csv.DictReader(file)}


def test_candidates_are_plain_trainings_with_the_same_seed(folder, tmp_path):
    """α = 0 is a training on the truth, α = 1 one on labels, and what lies between is a blend: bit by bit."""
    common = ["train", "--model", "adc", "--bval", folder / "adc.bval", "--recipe", folder / "recipe.toml", "--seed", 0]
    plain = {"0": ["--labels", "truth"], "1": ["--labels", "mle-rician"]}
    for value, options in plain.items():
        out = tmp_path / f"{value}.raofit"
        assert main([str(token) for token in (*common, *options, "--out", out)]) == 0
        candidate = load_network(folder / "out" / "candidates" / f"alpha={value}.raofit")
        np.testing.assert_array_equal(candidate.weights, load_network(out).weights)


def test_the_folder_has_the_choice(folder):
    out = folder / "out"
    assert {"candidates", "chosen.raofit", "tune.csv", "tune.png", "frontier.csv", "report.html"} <= set(entries(out))
    table = _table(out)
    assert list(table) == ["alpha=0", "alpha=0.5", "alpha=1"]
    (chosen,) = (name for name, row in table.items() if row["is_chosen"] == "True")
    assert (out / "chosen.raofit").read_bytes() == (out / "candidates" / f"{chosen}.raofit").read_bytes()
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["tuning"]["chosen"] == chosen
    assert "The choice for rmse:ADC" in (out / "report.html").read_text(encoding="utf-8")
    with (out / "evaluation.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == chosen]
    error = np.sqrt(np.mean([float(row["rmse_ADC [mm²/s]"]) ** 2 for row in rows]))
    assert float(table[chosen]["rmse:ADC"]) == pytest.approx(error)


def test_interrupted_it_continues_to_the_same_bytes_with_labels_fitted_once(folder, tmp_path, capsys, monkeypatch):
    out, n_fits = tmp_path / "again", []
    fit = _tune_train.label_data

    def interrupted(*args, progress, **kwargs):
        def interrupt(event):
            progress(event)
            if args[1].alpha == 0.5 and event.stage == "training" and event.done == 2:
                raise KeyboardInterrupt

        return train_network(*args, progress=interrupt, **kwargs)

    monkeypatch.setattr(_tune_train, "label_data", lambda *args, **of: n_fits.append(1) or fit(*args, **of))
    with monkeypatch.context() as patch:
        patch.setattr(_tune_train, "train_network", interrupted)
        code, _, message = run(capsys, *_arguments(folder, out=out))
    assert code == 130
    assert "the same command continues from there" in message
    assert entries(tmp_path) == [".again.tuning"]
    code, _, message = run(capsys, *_arguments(folder, out=out))
    assert code == 0
    assert "Continuing from" in message
    assert entries(tmp_path) == ["again"]
    assert len(n_fits) == 1
    assert (out / "tune.csv").read_bytes() == (folder / "out" / "tune.csv").read_bytes()


def test_limits_that_nobody_keeps_say_the_closest_and_keep_the_networks(folder, tmp_path, capsys):
    out = tmp_path / "out"
    code, _, message = run(capsys, *_arguments(folder, out=out, objective="bias:ADC,variance<=0.001"))
    assert code == 2
    assert "no candidate has variance:ADC<=0.001; the closest is alpha=" in message
    assert entries(tmp_path) == [".out.tuning"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"objective": "rmse:T1"}, "`T1` is not a compared parameter; expected one of ADC"),
        ({"objective": "rmse"}, "`rmse`: of which parameter?"),
        ({"objective": "speed:ADC"}, "`speed`: expected one of rmse, bias"),
        ({"objective": "bias:ADC,variance"}, "expected a limit such as variance<=1.1"),
        ({"tune": "alpha=0:2:3"}, "alpha: expected a share from 0 to 1, got 2"),
        ({"tune": "alpha=0:1"}, "expected KNOB=LOWER:UPPER:COUNT"),
        ({"tune": "beta=0,1"}, "knobs are alpha, lambda, delta"),
        ({"tune": "alpha=1"}, "expected 2 candidates or more"),
        ({"tune": "delta=0,1"}, "add --realizations 8"),
        ({"tune": "delta=0,1", "more": ["--realizations", "4"]}, 'needs weights = "inverse-crb"'),
    ],
)
def test_mistakes_end_with_one_sentence_and_no_file(folder, tmp_path, capsys, change, words):
    more = change.pop("more", [])
    code, _, message = run(capsys, *_arguments(folder, *more, out=tmp_path / "out", **change))
    assert code == 2
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert entries(tmp_path) == []


@pytest.mark.slow
def test_the_price_of_variance_on_fingerprints(tmp_path, capsys):
    fingerprints.saved(tmp_path / "set.h5")
    fingerprints.saved(tmp_path / "held.h5", n=60, seed=1)
    (tmp_path / "recipe.toml").write_text(SET_RECIPE)
    given = [
        "compare",
        "--train-on",
        tmp_path / "set.h5",
        "--recipe",
        tmp_path / "recipe.toml",
        "--tune",
        "lambda=0.1,1",
    ]
    given += ["--objective", "mse-crb", "--repeats", 20, "--out", tmp_path / "out"]
    code, _, message = run(capsys, *given, "--training-set", tmp_path / "set.h5")
    assert code == 2
    assert "some of its fingerprints are in" in message
    code, printed, message = run(capsys, *given, "--training-set", tmp_path / "held.h5")
    assert (code, message) == (0, "")
    assert "Chosen: lambda=" in printed
    network = load_network(tmp_path / "out" / "candidates" / "lambda=0.1.raofit")
    assert network.provenance["recipe"]["variance_factor"] == 0.1
