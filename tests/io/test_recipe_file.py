"""Recipe files: presets, types, unknown keys."""

import dataclasses

import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.io.recipe_file import read_recipe
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
    ],
)
def test_mistakes_are_named(tmp_path, text, words):
    with pytest.raises(FileError, match=words):
        read_recipe(_write(tmp_path, text))


def test_contradictions_are_refused(tmp_path):
    with pytest.raises(RaofitError, match="alpha"):
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
        text = f'"{value}"' if isinstance(value, str) else str(list(value) if isinstance(value, tuple) else value)
        lines.append(f"{field.name} = {text}")
    assert read_recipe(_write(tmp_path, "\n".join(lines))) == TrainingRecipe()
