"""Deterministic Hypothesis, kept compilations, and the measurements some tests read."""

import gc
import os
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy loads; threads only stall SciPy's tiny problems

import hypothesis
import jax
import pytest

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=25, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Every compiled program maps some pages; at the kernel's limit, 65 530 by default, a process dies in the compiler.
_MAPS, _MOST_MAPS = Path("/proc/self/maps"), 30_000
collect_ignore = ["fuzz/guided.py"]  # a program of its own, which needs atheris
SHARED = Path(os.environ.get("RAOFIT_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_configure(config):
    """Compiled programs are kept for the other workers, the commands that tests start, and the next run.

    Compiling takes most of a run's time.
    """
    kept = {
        "jax_compilation_cache_dir": str(config.cache.mkdir("jax")),
        "jax_persistent_cache_min_compile_time_secs": 0.3,
    }
    for name, value in kept.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real measurements that lie beside the repository."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the real measurements are not at {folder}; set RAOFIT_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory) -> None:
    """Keep networks and compiled programs of tests out of the user's cache folder."""
    os.environ["RAOFIT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def blank_pages(monkeypatch) -> None:
    """Pages hold blank pictures; the figures are drawn once, for their own files."""
    from raofit.report import page

    monkeypatch.setattr(page, "_data_uri", lambda figure, image_format: "data:image/png;base64,")


@pytest.fixture(scope="module", autouse=True)
def _few_programs():
    """Compiled programs are let go when there are very many; what is needed again comes from the cache on disk."""
    yield
    if _MAPS.exists() and len(_MAPS.read_bytes().splitlines()) > _MOST_MAPS:
        jax.clear_caches()
        gc.collect()
