"""The methods paragraph: citations as a text has them, and everything cited in the list and in BibTeX."""

import re

from raofit.core.references import REFERENCES
from raofit.report.methods import listed, methods_blocks, reference_line, short_name


def test_marks_become_names_and_entries():
    sentences = ["The model [lebihan1986, epstein2022].", "The noise [gudbjartsson1995], again [epstein2022]."]
    _, text, bibtex = methods_blocks(sentences, {"raofit": "1.2"})
    assert text.text.startswith(
        "The model (Le Bihan et al. 1986; Epstein et al. 2024). "
        "The noise (Gudbjartsson and Patz 1995), again (Epstein et al. 2024)."
    )
    assert "Gudbjartsson H, Patz S. The Rician distribution of noisy MRI data." in text.text
    assert "raofit, version 1.2" in text.text
    assert re.findall(r"@\w+\{(\w+),", bibtex.text) == ["epstein2022", "gudbjartsson1995", "lebihan1986", "raofit"]
    assert bibtex.is_code


def test_names_of_references():
    assert short_name("kay1993") == "Kay 1993"
    assert short_name("asslander2019b") == "Assländer et al. 2019b"
    assert short_name("karakuzu2022") == "Karakuzu et al. 2022"
    line = reference_line(REFERENCES["barbieri2020"])
    assert line.startswith("Barbieri S, Gurney-Champion OJ, Klaassen R, Thoeny HC. Deep learning how to fit")
    assert line.endswith("https://doi.org/10.1002/mrm.27910")
    assert all(". et al" not in reference_line(reference) for reference in REFERENCES.values())


def test_words_are_listed():
    assert [listed(list(words)) for words in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
