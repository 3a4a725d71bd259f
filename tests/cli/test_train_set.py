"""`raofit train --training-set`: one command for both stages, resuming, one sentence for every mistake."""

import dataclasses

import numpy as np
import pytest

from raofit.cli import _card_table, _train_set_run, main
from raofit.io.network_file import load_network
from raofit.io.training_set_file import save_training_set
from raofit.models import IVIM
from raofit.recipes.train_network import train_network
from raofit.training.prior import Prior
from tests.cli import fingerprints
from tests.cli.helpers import entries, run

RECIPE = """
preset = "compact-bias-reduced"
hidden = [6]
max_epochs = 2
n_validation = 60
batch_size = 40
n_realizations = 3
snr = [10, 40]
[start]
max_epochs = 3
n_validation = 60
batch_size = 40
"""


START = 'preset = "compact-mse-crb"\nhidden = [6]\nmax_epochs = 1\nn_validation = 60\nbatch_size = 40\n'


@pytest.fixture
def folder(tmp_path):
    fingerprints.saved(tmp_path / "set.h5")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def _arguments(folder, *more, out="net.raofit", recipe="recipe.toml", training_set="set.h5", seed=3):
    given = {"training-set": folder / training_set, "out": folder / out, "snr": "20:40", "seed": seed}
    given["recipe"] = folder / recipe if "." in recipe else recipe
    return ["train", *(str(part) for name, value in given.items() for part in (f"--{name}", value)), *map(str, more)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    fingerprints.saved(folder / "set.h5")
    (folder / "recipe.toml").write_text(RECIPE)
    assert main(_arguments(folder)) == 0
    assert entries(folder) == ["net.raofit", "recipe.toml", "set.h5"]
    return load_network(folder / "net.raofit")


def test_one_command_trains_the_start_and_continues_from_it(undisturbed):
    recipe, start = undisturbed.provenance["recipe"], undisturbed.provenance["initial"]["recipe"]
    assert (recipe["n_realizations"], start["n_realizations"]) == (3, 1)
    assert (recipe["max_epochs"], start["max_epochs"]) == (2, 3)
    assert recipe["snr"] == start["snr"] == [20, 40]  # the option's, for both
    assert recipe["seed"] == start["seed"] == 3
    assert undisturbed.network.sizes == (12, 6, 8)
    assert undisturbed.provenance["training_set"] == {"seed": 0}


def test_the_card_is_in_units_of_the_bound(undisturbed):
    assert _card_table.card_columns(undisturbed)[:3] == ("weighted_squared_bias", "weighted_variance", "slope")
    rows = _card_table.card_rows(undisturbed)
    assert len(rows) == 3 * 8
    assert rows[0][:3] == ("20", "m0s", "1")
    figures = undisturbed.card["entries"][0]["parameters"]["m0s"]
    assert float(rows[0][4]) == pytest.approx(figures["weighted_variance"], rel=1e-3)


def test_a_given_start_takes_the_place_of_the_first_training(folder, capsys):
    (folder / "start.toml").write_text(START)
    assert main(_arguments(folder, recipe="start.toml", out="start.raofit")) == 0
    assert "weighted_squared_bias" in capsys.readouterr().out
    assert main(_arguments(folder, "--initial", folder / "start.raofit")) == 0
    network = load_network(folder / "net.raofit")
    assert network.provenance["initial"]["recipe"]["max_epochs"] == 1
    (folder / "recipe.toml").write_text(RECIPE.replace("[6]", "[7]"))
    code, _, message = run(capsys, *_arguments(folder, "--initial", folder / "start.raofit", out="other.raofit"))
    assert code == 2
    assert "initial network: expected `sizes` (12, 7, 8) as in the recipe, got (12, 6, 8)" in message


@pytest.mark.parametrize(("stage", "done"), [("start", 2), ("training", 1)])
def test_interrupted_in_either_stage_the_same_command_gives_the_same_bytes(
    folder, capsys, monkeypatch, undisturbed, stage, done
):
    def interrupted(*args, progress, **kwargs):
        def interrupt(event):
            progress(event)
            if (kwargs["initial"] is not None, event.done) == (stage == "training", done):
                raise KeyboardInterrupt

        return train_network(*args, progress=interrupt, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(_train_set_run, "train_network", interrupted)
        code, _, message = run(capsys, *_arguments(folder))
    assert code == 130
    assert f"kept in {folder / '.net.raofit.training'}: the same command continues" in message
    assert not (folder / "net.raofit").exists()
    code, _, message = run(capsys, *_arguments(folder, seed=7))
    assert code == 2
    assert "unfinished run of other settings" in message
    code, _, message = run(capsys, *_arguments(folder))
    assert code == 0
    assert "Continuing from" in message
    resumed = load_network(folder / "net.raofit")
    np.testing.assert_array_equal(resumed.weights, undisturbed.weights)
    np.testing.assert_array_equal(resumed.statistics, undisturbed.statistics)
    assert resumed.card == undisturbed.card
    assert entries(folder) == ["net.raofit", "recipe.toml", "set.h5"]


@pytest.mark.parametrize(
    ("options", "more", "words"),
    [
        ({}, ["--model", "qmt"], "--model: the training set states its model"),
        ({}, ["--te", "10ms"], "--te: the training set states its model"),
        ({}, ["--labels", "truth"], "--labels: training on a set of fingerprints has its loss in the recipe"),
        ({}, ["--initial", "none.raofit"], "none.raofit: no such file"),
        ({"recipe": "fast"}, [], "fast: no such file; expected a training recipe in TOML, or one of compact-mse-crb"),
        ({"recipe": "zhang2022"}, [], "the recipe holds out 56320 fingerprints and trains on batches of 1024"),
        ({"recipe": "short.toml"}, [], "the recipe of the start holds out 4096 fingerprints"),
        ({"recipe": "short.toml"}, [], "`batch_size` in a recipe file, in its table `[start]`"),
        ({"recipe": "ivim.toml"}, [], "expects noise = \"complex-gaussian\", got 'rician'"),
        ({"recipe": "times.toml"}, [], "`T1` is not a parameter; the model has m0s, R1f"),
        ({"training_set": "recipe.toml"}, [], "this is not an HDF5 file"),
        ({"training_set": "ivim.h5"}, [], "the model has S0, f, D_slow, D_fast"),
    ],
)
def test_mistakes_end_with_one_sentence_and_no_file(folder, capsys, options, more, words):
    (folder / "ivim.toml").write_text("max_epochs = 1\n")
    (folder / "short.toml").write_text(RECIPE.partition("[start]")[0])
    (folder / "times.toml").write_text(START.replace("compact-mse-crb", "zhang2022"))
    _save_ivim_set(folder / "ivim.h5")
    before = entries(folder)
    code, _, message = run(capsys, *_arguments(folder, *more, **options))
    assert code == 2
    assert words in message
    assert len(message.strip().splitlines()) == 1
    assert entries(folder) == before


def _save_ivim_set(path):
    ivim, samples = IVIM([0, 50, 100, 400, 800]), fingerprints.training_set()
    changes = {"parameters": samples.parameters[:, :4], "bound": samples.bound[:, :4]}
    signals = np.abs(samples.signals[:, :5])
    save_training_set(
        path, dataclasses.replace(samples, model=ivim, signals=signals, prior=Prior.typical(ivim), **changes)
    )


def test_a_recipe_for_a_set_needs_a_set(folder, capsys):
    for name in ("compact-bias-reduced", folder / "recipe.toml"):
        code, _, message = run(capsys, "train", "--recipe", name, "--out", folder / "net.raofit")
        assert code == 2
        assert "give the file that `raofit simulate` wrote with --training-set" in message
