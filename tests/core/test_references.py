"""Every reference the code cites can be printed as BibTeX."""

import re
from pathlib import Path

import pytest

import raofit
from raofit.core.errors import RaofitError
from raofit.core.references import REFERENCES, cite, cited_keys
from raofit.models import IVIM
from raofit.noise import Rician

SOURCES = sorted(Path(raofit.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_keys_in_docstrings_resolve(source):
    assert set(re.findall(r"\[([a-z]+\d{4}[a-z]?)\]", source.read_text(encoding="utf-8"))) <= set(REFERENCES)


@pytest.mark.parametrize("key", REFERENCES)
def test_every_reference_is_complete(key):
    reference = REFERENCES[key]
    assert re.fullmatch(r"[a-z]+\d{4}[a-z]?", key)
    assert reference.doi.startswith("10.") or reference.note
    entry = cite(key)
    assert entry.startswith(f"@{reference.kind}{{{key},")
    assert entry.count("{") == entry.count("}")


def test_keys_are_sorted():
    assert list(REFERENCES) == sorted(REFERENCES)


def test_objects_cite_what_they_stand_on():
    assert cited_keys(IVIM([0, 100])) == ["lebihan1986", "epstein2022"]
    assert cited_keys(Rician(1.0)) == ["gudbjartsson1995"]
    assert cite(IVIM([0, 100])).count("@article") == 2


def test_unknown_key_lists_the_known_ones():
    with pytest.raises(RaofitError, match=r"`nobody1900`.*epstein2022"):
        cite("nobody1900")
