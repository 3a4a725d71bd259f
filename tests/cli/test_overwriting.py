"""What a command reads, `--force` does not delete: exit code 2 before anything is computed."""

import pytest

from raofit.cli import main
from raofit.cli._overwriting import check_apart
from raofit.core.errors import RaofitError
from tests.cli.helpers import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()
    for name in ("maps/.raofit", "maps/dwi.nii", "train.mat", "adc"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["map", "maps/dwi.nii", "--out", "maps", "--force"], "maps/dwi.nii lies in the output maps"),
        (["map", "a.nii", "--known", "S0=1,ADC=maps/dwi.nii", "--out=maps"], "maps/dwi.nii lies in the output"),
        (["map", "a.nii", "--dictionary", "new/d.h5", "--out", "new"], "new/d.h5 lies in the output new"),
        (["basis", "--trains", "train.mat", "--out", "./train.mat", "--force"], "train.mat is the output itself"),
        (["train", "--te", "1,2", "--checkpoint=n", "--out", "n"], "n is the output itself"),
    ],
)
def test_inputs_in_the_output_are_refused(folder, tokens, words):
    with pytest.raises(RaofitError, match=words):
        check_apart(tokens)


@pytest.mark.parametrize(
    "tokens",
    [
        ["map", "train.mat", "--out", "maps", "--force"],
        ["train", "--model", "adc", "--out", "adc", "--force"],
        ["card", "train.mat", "--measure", "train.mat", "--force"],
        ["map", "train.mat", "--out"],
    ],
)
def test_others_are_not(folder, tokens):
    check_apart(tokens)


def test_the_command_ends_with_one_sentence(folder, capsys):
    code, out, err = run(capsys, "map", "maps/dwi.nii", "--out", "maps", "--force")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert (folder / "maps" / "dwi.nii").exists()


def test_a_name_that_is_too_long_is_not_called_a_full_disk(folder, capsys):
    assert main(["map", "dwi" * 200, "--model", "adc", "--out", "new"]) == 2
    assert "could not be read or written (file name too long)" in capsys.readouterr().err
