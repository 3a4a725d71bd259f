"""Recipe files: presets, types, unknown keys."""

import dataclasses
import json

import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.io.recipe_file import read_recipe, read_training
from raofit.recipes import published
from raofit.recipes.named_trainings import NAMED
from raofit.recipes.training_recipe import TrainingRecipe


def _write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_is_the_papers_recipe(tmp_path):
    assert read_recipe(_write(tmp_path, "")) == TrainingRecipe.paper(15)


def test_every_kind_of_field(tmp_path):
    text = """
    preset = "on-the-spot"
    snr = [10, 40]
    labels = "mle-rician"
    alpha = 0.5
    hidden = [20, 20]
    seed = 3
    emphasis = "D_fast"
    final_learning_rate = 1e-4
    [ranges]
    D_fast = [0.01, 0.2]
    """
    recipe = read_recipe(_write(tmp_path, text))
    expected = TrainingRecipe.on_the_spot(
        (10.0, 40.0),
        labels="mle-rician",
        alpha=0.5,
        hidden=(20, 20),
        seed=3,
        emphasis="D_fast",
        final_learning_rate=1e-4,
        ranges={"D_fast": (0.01, 0.2)},
    )
    assert recipe == expected


def test_the_preset_for_relaxometry(tmp_path):
    recipe = read_recipe(_write(tmp_path, 'preset = "near-unbiased"\nsnr = 30\nrange_margin = 0.5'))
    assert recipe == TrainingRecipe.near_unbiased(30.0, range_margin=0.5)


def test_one_number_is_one_snr(tmp_path):
    assert read_recipe(_write(tmp_path, "snr = 30")).snr == (30.0, 30.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rat = 0.1", "`learning_rat` is not a recipe setting"),
        ('preset = "fast"', "on-the-spot"),
        ('restarts = "many"', "`restarts`"),
        ('labels = "guess"', "`labels`"),
        ("restarts = [", "not valid TOML"),
        ("ranges = 3", "`ranges`"),
        ("start = 3", "`start`: expected a table"),
        ("[start]\nmax_epochs = 3", "the preset `paper` starts from random weights"),
        ('preset = "compact-bias-reduced"\n[start]\nepochs = 3', "`epochs` is not a recipe setting"),
    ],
)
def test_mistakes_are_named(tmp_path, text, words):
    with pytest.raises(FileError, match=words):
        read_recipe(_write(tmp_path, text))


@pytest.mark.parametrize("name", NAMED)
def test_a_named_training_is_a_preset(tmp_path, name):
    training = read_training(_write(tmp_path, f'preset = "{name}"'))
    assert training.recipe == getattr(published, name.replace("-", "_"))()
    assert (training.start is not None) == name.endswith("bias-reduced")


def test_a_start_shares_network_and_noise_and_has_settings_of_its_own(tmp_path):
    text = """
    preset = "compact-bias-reduced"
    snr = [20, 80]
    hidden = [32]
    max_epochs = 7
    n_realizations = 4
    variance_factor = 0.1
    tolerated_variance = 0.5
    bound_floor = 0.0
    is_mirrored = false
    parameter_weights = {omega0 = 0.0}
    [start]
    max_epochs = 9
    """
    training = read_training(_write(tmp_path, text))
    shared = {
        "snr": (20.0, 80.0), "hidden": (32,), "bound_floor": 0.0, "is_mirrored": False,
        "parameter_weights": {"omega0": 0.0},
    }  # fmt: skip
    own = {"n_realizations": 4, "variance_factor": 0.1, "tolerated_variance": 0.5}
    assert training.recipe == published.compact_bias_reduced(max_epochs=7, **own, **shared)
    assert training.start == published.compact_mse_crb(max_epochs=9, **shared)


def test_a_training_without_a_start_has_no_start_to_change(tmp_path):
    with pytest.raises(RaofitError, match=r"recipe.toml: recipe `zhang2022`: it starts from random weights"):
        read_training(_write(tmp_path, 'preset = "zhang2022"\n[start]\nmax_epochs = 3'))


def test_contradictions_are_refused(tmp_path):
    with pytest.raises(RaofitError, match=r"recipe\.toml: recipe `alpha`"):
        read_recipe(_write(tmp_path, "alpha = 1.5"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_recipe(tmp_path / "recipe.toml")


def test_every_field_can_be_written(tmp_path):
    lines = []
    for field in dataclasses.fields(TrainingRecipe):
        value = getattr(TrainingRecipe(), field.name)
        if value is None:
            continue
        text = json.dumps(value)
        lines.append(f"{field.name} = {text}")
    assert read_recipe(_write(tmp_path, "\n".join(lines))) == TrainingRecipe()
