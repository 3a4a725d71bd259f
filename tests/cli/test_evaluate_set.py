"""`raofit evaluate --training-set`: figures over the bound for networks, and refusals."""

import csv
import json

import numpy as np
import pytest

from raofit.io.network_file import load_network, save_network
from raofit.recipes.named_trainings import named_training
from raofit.recipes.train_network import train_network
from tests.cli import fingerprints
from tests.cli.helpers import entries, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network, and a set it has not seen."""
    path = tmp_path_factory.mktemp("evaluated")
    changes = {"hidden": (6,), "max_epochs": 2, "n_validation": 60, "batch_size": 40, "snr": (20.0, 40.0), "seed": 3}
    samples = fingerprints.training_set()
    recipe = named_training("compact-mse-crb", changes).recipe
    save_network(path / "net.raofit", train_network(samples.model, recipe, data=samples))
    fingerprints.saved(path / "held.h5", n=30, seed=1)
    fingerprints.saved(path / "times.h5", n=30, name="qmt-times")
    return path


def _run(capsys, folder, tmp_path, *more, training_set="held.h5"):
    given = ("--network", folder / "net.raofit", "--training-set", folder / training_set, "--out", tmp_path / "out")
    return run(capsys, "evaluate", *given, "--repeats", 50, *more)


def test_figures_over_the_bound_of_the_first_component(capsys, folder, tmp_path):
    code, printed, _ = _run(capsys, folder, tmp_path, "--snr", "20,40")
    assert code == 0
    header, *rows = [line.split("\t") for line in printed.splitlines() if "\t" in line]
    assert header == ["snr", "method", "parameter", "squared_bias", "variance", "slope"]
    assert len(rows) == 2 * 9  # eight parameters and their mean
    assert entries(tmp_path / "out") == [".raofit", "evaluation.csv", "summary.json"]
    content = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert content["n_fingerprints"] == 20  # a third is of the second component
    with (tmp_path / "out" / "evaluation.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    network = load_network(folder / "net.raofit")
    samples = fingerprints.training_set(30, seed=1)
    truth, signals = samples.parameters[samples.component == 0, 0], samples.signals[samples.component == 0]
    # white noise of 1/40 hardly bends this network: its answer to the noise-free signal is its mean
    bias = np.asarray(network.estimate(signals)["m0s"]) - truth
    expected = np.mean(np.square(bias) / (samples.bound[0, 0] / 40**2))
    row = next(row for row in table if (row["snr"], row["parameter"]) == ("40", "m0s"))
    assert float(row["squared_bias_low"]) <= float(row["squared_bias"]) <= float(row["squared_bias_high"])
    assert float(row["squared_bias"]) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("more", "training_set", "words"),
    [
        (["--estimator", "mle"], "held.h5", "--estimator mle: fitting every noise draw"),
        (["--model", "qmt"], "held.h5", "--model: the training set states its model"),
        (["--snr", "ten"], "held.h5", "--snr ten: expected signal-to-noise ratios"),
        ([], "times.h5", "expected a network for the training set's model `qmt-times`"),
        ([], "none.h5", "none.h5: no such file"),
    ],
)
def test_mistakes_end_with_one_sentence_and_no_file(capsys, folder, tmp_path, more, training_set, words):
    code, _, message = _run(capsys, folder, tmp_path, *more, training_set=training_set)
    assert code == 2
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert entries(tmp_path) == []
