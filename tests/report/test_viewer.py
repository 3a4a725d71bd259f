"""What a viewer refuses, and what its page holds."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.report import Figure, Layer, Report, Section, Viewer, choose_view, render_report
from tests.report.test_page import Outline, contrast, drawing

MASK = np.ones((3, 4, 2), dtype=bool)
MASK[0, 0] = False
N = int(MASK.sum())


def viewer(**changes):
    layer = Layer("T1 <x>", "s", np.linspace(0, 1, N), (0.0, 1.0), errors=np.full(N, np.inf), bounds=(0.0, np.inf))
    content = {
        "layers": [layer],
        "view": choose_view(MASK, 2),
        "status": np.zeros(N, np.uint8),
        "caption": "Maps.",
        "figures": [Figure(drawing(), "A line.", "A rising line."), Figure(drawing(), "Another.", "Again.")],
    }
    return Viewer(**content | changes)


def test_lists_must_be_those_of_the_view():
    with pytest.raises(RaofitError, match=f"layer `status`: expected a list of the view's {N} voxels, got shape"):
        viewer(status=np.zeros(3, np.uint8))
    with pytest.raises(RaofitError, match="expected at least one layer, got none"):
        viewer(layers=[])


def test_the_page_holds_the_numbers_and_the_figures():
    page = render_report(Report("Maps", "", [Section("Maps", [viewer()])]))
    outline = Outline(page)
    assert outline.stack == []
    assert "T1 &lt;x&gt;" in page
    assert "Figure 1a" in page
    assert "Figure 1b" in page
    content = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL).group(1))
    mask = np.frombuffer(gzip.decompress(base64.b64decode(content["mask"])), np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(mask, MASK.T)
    (layer,) = content["layers"]
    assert layer["name"] == "T1 <x>"
    assert layer["bounds"] == [0.0]
    named = [attributes for tag, attributes in outline.tags if tag in {"button", "input", "select", "canvas"}]
    assert len(named) > 10
    labels = {attributes["for"] for _, attributes in outline.tags if "for" in attributes}
    for attributes in outline.all("canvas"):
        assert attributes.get("aria-label")
    for attributes in outline.all("input"):
        inside_a_label = attributes["type"] in {"radio", "checkbox", "number"}
        assert inside_a_label or attributes.get("aria-label") or attributes["id"] in labels


def test_controls_and_their_edges_can_be_seen():
    page = render_report(Report("Maps", "", [Section("Maps", [viewer()])]))
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", page))
    assert contrast(colors["edge"], "#ffffff") >= 3.0  # of what is no text
    assert contrast("#ffffff", colors["accent"]) >= 4.5
    assert contrast(colors["soft"], colors["tint"]) >= 4.5
