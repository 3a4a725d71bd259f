"""Deterministic Hypothesis, figures without a screen, and the measurements some tests read."""

import os
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=25, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

SHARED = Path(os.environ.get("RAOFIT_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real measurements that lie beside the repository."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the real measurements are not at {folder}; set RAOFIT_SHARED to the folder that holds data/")
    return folder
