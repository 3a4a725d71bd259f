"""`raofit train`: a file and a table, resume after a kill, one sentence for every mistake."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from raofit.cli import main
from raofit.io.network_file import load_network

RECIPE = """
preset = "on-the-spot"
snr = 20
n_training = 2000
n_validation = 500
hidden = [8]
restarts = 2
max_epochs = {epochs}
patience = {epochs}
batch_size = 20
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "adc.bval").write_text("0 300 600 1000\n")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(epochs=4))
    return tmp_path


def _arguments(folder, *more, out="net.safetensors"):
    given = ["--model", "adc", "--bval", folder / "adc.bval", "--recipe", folder / "recipe.toml", "--out", folder / out]
    return ["train", *map(str, given), *more]


def test_trains_saves_and_prints_the_card(folder, capsys):
    assert main(_arguments(folder, "--seed", "3")) == 0
    network = load_network(folder / "net.safetensors")
    assert network.provenance["seed"] == 3
    header, *rows = capsys.readouterr().out.strip().splitlines()
    assert header.split("\t")[:5] == ["SNR", "parameter", "unit", "bias", "bias_slope"]
    assert [row.split("\t")[1] for row in rows] == ["S0", "ADC"]
    assert sorted(path.name for path in folder.iterdir()) == ["adc.bval", "net.safetensors", "recipe.toml"]


def test_options_override_the_recipe(folder):
    assert main(_arguments(folder, "--snr", "10:40", "--noise", "gaussian", "--labels", "self-supervised")) == 0
    network = load_network(folder / "net.safetensors")
    assert network.snr_range == (10.0, 40.0)
    assert network.noise_name == "gaussian"
    assert network.provenance["recipe"]["labels"] == "self-supervised"
    assert len(network.card["entries"]) == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("--snr", "ten"), "--snr ten: expected a number"),
        (("--snr", "40:10"), "0 < low <= high"),
        (("--preset", "paper"), "names its own preset"),
        (("--alpha", "2"), "`alpha`"),
    ],
)
def test_mistakes_end_with_one_sentence_and_no_file(folder, capsys, change, words):
    before = sorted(folder.iterdir())
    assert main(_arguments(folder, *change)) == 2
    message = capsys.readouterr().err
    assert words in message
    assert "Traceback" not in message
    assert sorted(folder.iterdir()) == before


def test_an_snr_is_needed(folder, capsys):
    out = folder / "net.safetensors"
    assert main(["train", "--model", "adc", "--bval", str(folder / "adc.bval"), "--out", str(out)]) == 2
    assert "--snr is missing" in capsys.readouterr().err


def test_an_existing_network_is_kept_without_force(folder, capsys):
    (folder / "net.safetensors").write_text("mine")
    assert main(_arguments(folder)) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "net.safetensors").read_text() == "mine"


def test_killed_and_resumed_is_bit_identical(folder):
    (folder / "recipe.toml").write_text(RECIPE.format(epochs=400))
    run = "import sys; from raofit.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", run, *_arguments(folder)]
    state = folder / "net.safetensors.checkpoint"
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(float(np.random.default_rng(os.getpid()).uniform(0.0, 0.5)))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state.exists(), "the training was killed before its first or after its last epoch"
    assert not (folder / "net.safetensors").exists()
    assert main(_arguments(folder)) == 0
    assert not state.exists()
    assert main(_arguments(folder, out="undisturbed.safetensors")) == 0
    resumed, undisturbed = (load_network(folder / f"{name}.safetensors") for name in ("net", "undisturbed"))
    np.testing.assert_array_equal(resumed.weights, undisturbed.weights)
    assert resumed.provenance["members_validation_loss"] == undisturbed.provenance["members_validation_loss"]
    assert resumed.card == undisturbed.card


def test_a_training_that_diverges_leaves_nothing(folder, capsys):
    recipe = RECIPE.format(epochs=4) + "learning_rate = 1e30\nfinal_learning_rate = 1e30\n"
    (folder / "recipe.toml").write_text(recipe)
    before = sorted(folder.iterdir())
    assert main(_arguments(folder)) == 2
    assert "NaN or infinite" in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before
