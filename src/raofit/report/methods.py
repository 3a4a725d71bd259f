"""A methods paragraph with its references, ready to paste: sentences cite as docstrings do, by `[key]`."""

import re
from collections.abc import Mapping, Sequence

from raofit.core.references import REFERENCES, Reference, cite
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
    references = sorted([*(reference_line(REFERENCES[key]) for key in keys), own], key=str.casefold)
    bibtex = [cite(key) for key in sorted(keys)] + [_software_entry(versions[_SOFTWARE])]
    return [
        Paragraph("Written from the settings of this run. Check it, and shorten it to what your readers need."),
        Snippet("Methods and references", "\n".join([_MARK.sub(_named, text), "", "References", *references])),
        Snippet("BibTeX", "\n\n".join(bibtex), is_code=True),
    ]


def listed(words: Sequence[str]) -> str:
    """Words as a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def short_name(key: str) -> str:
    """How a text names a reference: "Epstein et al. 2024", with the letter of a key that has one (2019b)."""
    reference = REFERENCES[key]
    families = [name.split(",")[0] for name in reference.authors.split(" and ")]
    others = "" if len(families) == 1 else f" and {families[1]}" if len(families) == 2 else " et al."
    others = others.replace(" and others", " et al.")
    return f"{families[0]}{others} {reference.year}{key[-1] if key[-1].isalpha() else ''}"


def reference_line(reference: Reference) -> str:
    """Authors, title, venue, year and DOI, as in a list of references."""
    authors = ", ".join(map(_initialed, reference.authors.split(" and ")))
    place = f"https://doi.org/{reference.doi}" if reference.doi else reference.note
    return f"{authors}. {reference.title}. {reference.venue}, {reference.year}. {place}"


def _initialed(name: str) -> str:
    """Gurney-Champion OJ, for Gurney-Champion, Oliver J."""
    family, _, given = name.partition(", ")
    initials = "".join(part[0] for part in re.split(r"[ -]", given) if part[:1].isalpha())
    return "et al" if family == "others" else f"{family} {initials}"


def _named(mark: re.Match) -> str:
    """(Le Bihan et al. 1986; Epstein et al. 2024)."""
    return f"({'; '.join(map(short_name, mark.group(1).split(', ')))})"


def _software_entry(version: str) -> str:
    fields = {
        "author": "{The raofit founders}",
        "title": "{raofit: quantitative-MRI parameter maps from estimators whose bias and variance are known}",
        "version": version,
    }
    return "@software{raofit,\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}"
