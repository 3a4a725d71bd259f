"""Outputs appear complete or not at all."""

import os
from pathlib import Path

import pytest

from raofit.core.errors import FileError
from raofit.io.output import held, new_file, new_folder


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_at_the_end(tmp_path):
    with new_folder(tmp_path / "deep" / "out") as work:
        (work / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "out").exists()
    assert (tmp_path / "deep" / "out" / "a.txt").read_text() == "a"
    assert entries(tmp_path / "deep") == ["out"]


def interrupted(context, error):
    """Write half of an output, then fail."""
    with context as work:
        (work / "a.txt" if work.is_dir() else work).write_text("half")
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, FileError])
@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_nothing_is_left_after_a_failure(tmp_path, kind, error):
    with pytest.raises(error):
        interrupted(kind(tmp_path / "deep" / "out"), error)
    assert entries(tmp_path) == []


def test_what_exists_is_kept_unless_forced(tmp_path):
    with new_folder(tmp_path / "out") as work:
        (work / "a.txt").write_text("old")
    with pytest.raises(FileError, match=r"exists already; .* --force"), new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    with pytest.raises(RuntimeError):
        interrupted(new_folder(tmp_path / "out", force=True), RuntimeError)
    assert (tmp_path / "out" / "a.txt").read_text() == "old"
    with new_folder(tmp_path / "out", force=True) as work:
        (work / "b.txt").write_text("new")
    assert entries(tmp_path / "out") == [".raofit", "b.txt"]
    assert entries(tmp_path) == ["out"]


def test_force_never_replaces_what_raofit_did_not_write(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileError, match="was not written by raofit"), new_folder(tmp_path / "home", force=True):
        pass
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="is a file, expected a folder"), new_folder(tmp_path / "file", force=True):
        pass
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"


def test_a_file_appears_at_the_end(tmp_path):
    with new_file(tmp_path / "a.bin") as work:
        work.write_text("new")
        assert work.suffix == ".bin"
        assert not (tmp_path / "a.bin").exists()
    assert entries(tmp_path) == ["a.bin"]
    with pytest.raises(FileError, match="exists already"), new_file(tmp_path / "a.bin"):
        pass
    with new_file(tmp_path / "a.bin", force=True) as work:
        work.write_text("newer")
    assert (tmp_path / "a.bin").read_text() == "newer"


def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="is not a writable folder"), new_folder(tmp_path / "file" / "out"):
        pass


@pytest.mark.parametrize("kind", [new_folder, new_file])
def test_links_pipes_and_homes_that_force_does_not_replace(tmp_path, kind):
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "dangling", "is a link, which --force does not replace"),
        (tmp_path / "dangling" / "out", "is not a writable folder"),
        (tmp_path / "pipe", "is a pipe or a device"),
        ("~/out", "the shell left `~` as it is"),
    ):
        with pytest.raises(FileError, match=words), kind(path, force=True):
            pass
    assert entries(tmp_path) == ["dangling", "pipe"]


@pytest.mark.parametrize("kind", [new_folder, new_file])
@pytest.mark.parametrize("place", [".", "..", "/"])
def test_a_place_in_which_to_write_is_no_name(kind, place):
    with pytest.raises(FileError, match="expected a name to write, found a place"), kind(place, force=True):
        pass


def test_a_link_to_a_folder_and_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with pytest.raises(FileError, match="is a link, which --force does not"), new_folder(tmp_path / "link", force=True):
        pass
    with pytest.raises(FileError, match="is a folder, expected a file"), new_file(tmp_path / "folder", force=True):
        pass


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
def test_a_folder_that_takes_no_files():
    with pytest.raises(FileError, match="/proc takes no files"), new_folder("/proc/out"):
        pass


def test_a_place_cannot_be_held():
    with pytest.raises(FileError, match="found a place"), held(Path()):
        pass
