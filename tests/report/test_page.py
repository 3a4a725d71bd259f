"""The page: self-contained, readable by machines and people, the same every time."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.plot.style import new_figure
from raofit.report import Badge, Figure, Paragraph, Report, Section, Snippet, Table, render_report, write_report

VOID = {"meta", "img", "br", "link", "input", "hr"}


def drawing():
    figure = new_figure(3, 2)
    figure.subplots().plot([0, 1, 3])
    return figure


def example(**changes):
    content = {
        "title": "Maps of <sub-01> & more",
        "subtitle": "Two parameters",
        "sections": [
            Section("First", [Paragraph("5 < 6 & so on"), Paragraph("Careful.", "warning")]),
            Section("Second", [Table(("name", "value", "verdict"), [["f", -0.25, Badge("fails", "bad")]], "Values.")]),
            Section("Third", [Figure(drawing(), "A line.", "A rising line.")]),
            Section("Fourth", [Figure(drawing(), "Again.", 'With "quotes".', "png"), Table(("n",), [[3]], "One.")]),
        ],
        "provenance": {"command": "raofit map <x>", "seed": 3},
    }
    return Report(**content | changes)


class Outline(HTMLParser):
    """Open tags, attributes and text; raises nothing but notices unbalanced tags."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.stack, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page():
    return render_report(example())


def test_the_page_is_balanced_and_escapes_what_it_is_given(page):
    outline = Outline(page)
    assert outline.stack == []
    text = "".join(outline.text)
    assert "Maps of <sub-01> & more" in text
    assert "5 < 6 & so on" in text
    assert "<sub-01>" not in page


def test_nothing_outside_the_file_is_asked_for(page):
    outline = Outline(page)
    assert not outline.all("script")
    assert not outline.all("link")
    for attributes in (attributes for _, attributes in outline.tags):
        for name in ("src", "href", "srcset", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"url\(|@import|https?://", re.sub(r'src="data:[^"]*"', "", page))
    policies = [a["content"] for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_scripts_are_there_where_they_are_needed_and_the_policy_names_no_other():
    outline = Outline(
        render_report(example(sections=[Section("One", [Snippet("BibTeX", "@book{<key>}", is_code=True)])]))
    )
    (policy,) = [a["content"] for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    text = "".join(outline.text)
    assert "@book{<key>}" in text
    script = text[text.index('"use strict"') : text.rindex("}") + 2]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_figures_are_inside_and_described(page):
    images = Outline(page).all("img")
    assert [image["alt"] for image in images] == ["A rising line.", 'With "quotes".']
    svg, png = (base64.b64decode(image["src"].split(",", 1)[1]) for image in images)
    assert images[0]["src"].startswith("data:image/svg+xml;base64,")
    assert b"<svg" in svg
    assert png.startswith(b"\x89PNG")
    assert (images[0]["width"], images[0]["height"]) == ("288", "192")


def test_headings_language_and_viewport(page):
    outline = Outline(page)
    assert outline.all("html")[0]["lang"] == "en"
    assert len(outline.all("h1")) == 1
    assert len(outline.all("h2")) == 5  # four sections and the provenance
    targets = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    assert {a["href"].removeprefix("#") for a in outline.all("a")} <= targets
    assert any("width=device-width" in a.get("content", "") for a in outline.all("meta"))


def test_tables_have_header_cells_and_numbers_in_words_of_one_style(page):
    outline = Outline(page)
    assert all(attributes["scope"] == "col" for attributes in outline.all("th"))
    assert "−0.25" in page
    assert '<span class="badge bad">fails</span>' in page
    assert "Table 1." in page
    assert "Table 2." in page
    assert "Figure 2." in page


def contrast(first, second):
    """WCAG 2 contrast ratio of two hexadecimal colors."""

    def luminance(color):
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_enough_contrast(page):
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", page))
    colors["paper"] = "#ffffff"
    for text, ground in [("ink", "paper"), ("soft", "paper"), ("accent", "paper"), ("ink", "tint"), ("accent", "tint")]:
        assert contrast(colors[text], colors[ground]) >= 4.5
    for tone in ("good", "warning", "bad"):
        assert contrast(colors[tone], colors[f"{tone}-tint"]) >= 4.5


def test_the_same_report_gives_the_same_page():
    assert render_report(example()) == render_report(example())


def test_short_reports_have_no_contents_list():
    assert "<nav" not in render_report(example(sections=[Section("One", [Paragraph("x")])]))


def test_write_replaces_in_one_step(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_report(path, example()) == path
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(FileError, match="expected a folder that can be written"):
        write_report(tmp_path / "missing" / "report.html", example())


def test_incomplete_blocks_are_refused():
    with pytest.raises(RaofitError, match="expected a description in `alt`"):
        Figure(drawing(), "A line.", "  ")
    with pytest.raises(RaofitError, match="expected 2 cells in row 1, got 1"):
        Table(("a", "b"), [[1, 2], [3]], "Values.")
