"""Where reusable work is kept, and that nothing breaks where it cannot be."""

import os

import pytest

from raofit.cli._cache import cache_folder, keep_compiled_programs

_SETTING = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("RAOFIT_CACHE", str(tmp_path / "cache"))
    for name in (_SETTING, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(name, "")  # restored afterwards
        monkeypatch.delenv(name)


def test_folder_follows_the_environment(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("RAOFIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "raofit"


def test_compiled_programs_are_kept_in_it(tmp_path):
    keep_compiled_programs()
    assert os.environ[_SETTING] == str(tmp_path / "cache" / "compiled")


def test_the_users_setting_takes_precedence(monkeypatch):
    monkeypatch.setenv(_SETTING, "elsewhere")
    keep_compiled_programs()
    assert os.environ[_SETTING] == "elsewhere"


def test_a_place_that_cannot_be_written_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RAOFIT_CACHE", str(tmp_path / "file" / "cache"))
    keep_compiled_programs()
    assert _SETTING not in os.environ
