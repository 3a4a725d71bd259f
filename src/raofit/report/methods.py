"""A methods paragraph with its references, ready to paste: sentences cite as docstrings do, by `[key]`."""

import re
from collections.abc import Mapping, Sequence

from raofit.core.references import REFERENCES, cite
from raofit.report.blocks import Paragraph, Snippet

_MARK = re.compile(r"\[([a-z]+\d{4}[a-z]?(?:, [a-z]+\d{4}[a-z]?)*)\]")
_SOFTWARE = "raofit"


def methods_blocks(sentences: Sequence[str], versions: Mapping[str, str]) -> list[Paragraph | Snippet]:
    """The paragraph with its list of references, and the BibTeX of all of them.

    Parameters
    ----------
    sentences : of the paragraph, with citations as `[lebihan1986, epstein2022]`.
    versions : `{library: version}`; raofit's goes into its own reference.
    """
    text = " ".join(sentences)
    keys = list(dict.fromkeys(key for mark in _MARK.findall(text) for key in mark.split(", ")))
    own = f"raofit, version {versions[_SOFTWARE]}: quantitative-MRI parameter maps with known bias and variance."
    references = sorted([*(REFERENCES[key].text() for key in keys), own], key=str.casefold)
    bibtex = [cite(key) for key in sorted(keys)] + [_software_entry(versions[_SOFTWARE])]
    return [
        Paragraph("Written from the settings of this run. Check it, and shorten it to what your readers need."),
        Snippet("Methods and references", "\n".join([_MARK.sub(_named, text), "", "References", *references])),
        Snippet("BibTeX", "\n\n".join(bibtex), is_code=True),
    ]


def listed(words: Sequence[str]) -> str:
    """Words as a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _named(mark: re.Match) -> str:
    """(Le Bihan et al. 1986; Epstein et al. 2024)."""
    return f"({'; '.join(REFERENCES[key].short(key) for key in mark.group(1).split(', '))})"


def _software_entry(version: str) -> str:
    fields = {
        "author": "{The raofit founders}",
        "title": "{raofit: quantitative-MRI parameter maps from estimators whose bias and variance are known}",
        "version": version,
    }
    return "@software{raofit,\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}"
