"""The application as a whole: help without JAX, version, exit codes."""

import io
import subprocess
import sys
from importlib import metadata

import pytest

from raofit.cli import _app, main
from raofit.models import REGISTRY

VERBS = ["map", "train", "evaluate", "crb", "demo", "reproduce", "simulate", "basis", "bids"]
SCRIPT = """
import sys
from raofit.cli import main
code = main(sys.argv[1:])
heavy = sorted({"jax", "equinox", "optax", "nibabel", "matplotlib", "scipy", "dask", "distributed"} & set(sys.modules))
print("HEAVY", heavy)
sys.exit(code)
"""


def fresh(*tokens):
    return subprocess.run([sys.executable, "-c", SCRIPT, *tokens], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("tokens", [["--help"], [], ["--version"], *([verb, "--help"] for verb in VERBS)])
def test_help_imports_nothing_heavy(tokens):
    done = fresh(*tokens)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout
    assert not done.stderr


def test_the_list_of_verbs_says_what_each_does(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        line = next(line for line in shown.splitlines() if line.startswith(f"│ {verb} "))
        assert len(line.strip("│ ").split(maxsplit=1)[1]) > 20


@pytest.mark.parametrize("verb", ["map", "crb"])
def test_help_names_every_model_with_units_and_defaults(capsys, verb):
    assert main([verb, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(f"{name}" in shown for name in REGISTRY)
    assert "s/mm²" in shown
    assert "[default: ivim" in shown


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == metadata.version("raofit")


@pytest.mark.parametrize(
    "tokens",
    [["mpa"], ["crb", "--bogus", "1"], ["crb", "--snr", "high"], ["map"], ["map", "a.nii"], ["crb", "--noise", "pink"]],
)
def test_usage_errors_are_one_sentence_and_exit_2(capsys, tokens):
    assert main(tokens) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("raofit: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def failing_app(error):
    def run(*arguments, **options):
        raise error

    return lambda **options: run


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "raofit: interrupted"),
        (RuntimeError("boom"), 1, "internal error, RuntimeError: boom"),
        (MemoryError(), 2, "there is not enough memory for this"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), 2, "there is not enough memory for this"),
    ],
)
def test_interrupts_and_defects(capsys, monkeypatch, error, code, words):
    monkeypatch.setattr(_app, "build_app", failing_app(error))
    assert main(["map"]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert main(["map", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["0", "1"])
def test_help_for_a_terminal_of_no_width(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["crb", "--help"]) == 0
    assert "raofit" in capsys.readouterr().out


def test_a_terminal_that_does_not_know_every_letter(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["crb", "--help"]) == 0
    assert rb"s/mm\xb2" in stream.buffer.getvalue()  # what standard error makes of a superscript


def test_standard_output_may_be_closed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(_app, "build_app", lambda **options: lambda *arguments, **more: None)
    assert main(["map"]) == 0
