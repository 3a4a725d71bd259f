"""Stages of a long run: computed once, stored whole, refused for other settings."""

import shutil

import numpy as np
import pytest

from raofit.core.errors import FileError
from raofit.io.stages import StageFolder


def test_a_finished_stage_is_not_computed_again(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"a/b": np.arange(3), "words": np.array(["x", "yz"])}

    first = StageFolder(tmp_path / "work", {"seed": 0}).run("labels at SNR 15", compute)
    second = StageFolder(tmp_path / "work", {"seed": 0}).run("labels at SNR 15", compute)
    assert len(calls) == 1
    assert list(second) == ["a/b", "words"]
    np.testing.assert_array_equal(first["a/b"], second["a/b"])
    assert second["words"].tolist() == ["x", "yz"]


def test_an_interrupted_stage_leaves_nothing(tmp_path):
    folder = StageFolder(tmp_path / "work", {"seed": 0})

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.run("scan", interrupted)
    assert [path.name for path in folder.path.iterdir()] == ["settings.sha256"]
    assert folder.run("scan", lambda: {"n": 2})["n"] == 2


def test_two_processes_may_finish_the_same_stage(tmp_path):
    one, other = (StageFolder(tmp_path / "work", {"seed": 0}) for _ in range(2))

    def compute():
        other.run("scan", lambda: {"n": 2})
        return {"n": 2}

    assert not one.has("scan")
    assert one.run("scan", compute)["n"] == 2
    assert one.has("scan")


def test_a_removed_folder_is_noticed(tmp_path):
    folder = StageFolder(tmp_path / "work", {"seed": 0})
    assert folder.exists
    shutil.rmtree(folder.path)
    assert not folder.exists
    folder.run("scan", lambda: {"n": 2})
    assert not folder.exists


def test_stages_of_other_settings_are_refused(tmp_path):
    StageFolder(tmp_path / "work", {"seed": 0, "size": {"n": 1}})
    StageFolder(tmp_path / "work", {"size": {"n": 1}, "seed": 0})
    with pytest.raises(FileError, match="holds the unfinished run of other settings; delete that folder"):
        StageFolder(tmp_path / "work", {"seed": 1, "size": {"n": 1}})


def test_file_names_are_plain(tmp_path):
    name = StageFolder(tmp_path, {}).file("labeled networks, SNR 15, f/x", ".npz").name
    assert name == "labeled-networks-SNR-15-f-x.npz"
