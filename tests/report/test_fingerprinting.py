"""The page and the figures of `raofit reproduce mao2024 --experiment mrf` from made results."""

import numpy as np
import pytest

from raofit.plot import fingerprinting as plots
from raofit.report import render_report
from raofit.report.fingerprinting import StudyPage, study_report
from raofit.studies.fingerprinting import DICTIONARY, NLLS, REDUCED, SCALES, TITLES
from raofit.studies.fingerprinting_claims import all_claims
from raofit.studies.fingerprinting_scans import CALIBRATED
from tests.studies.fingerprinting_made import TRAIN, results


@pytest.fixture(scope="module")
def made():
    return results()


@pytest.fixture(scope="module")
def figures(made):
    return plots.all_figures(TRAIN, made)


def test_the_page_has_every_figure_claim_and_number(made, figures):
    page = StudyPage(
        results=made, claims=all_claims(made), figures=figures, scale_name="quick", scale=SCALES["quick"],
        sequence="fisp-880", n_pulses=8, undersampling=8.0, minutes=1.5, provenance={"seed": 0},
    )  # fmt: skip
    text = render_report(study_report(page))
    assert text.count("<figure") == len(figures) == 13
    for words in (
        "A quick run",
        "7 supported",
        "One of 8 spiral arms",
        "12,345 and 98,765 atoms",
        "5e+03",
        *TITLES.values(),
    ):
        assert words in text


def test_curves_and_boxes_show_the_numbers(made, figures):
    upper = figures["snr"].axes[0]
    colors = {line.get_color(): line for line in upper.get_lines()}
    shown = colors[plots.LINES[REDUCED].color].get_ydata()
    np.testing.assert_allclose(shown, 100 * 0.1 / np.array([10.0, 30.0, 50.0]))  # 0.1 √CRB, which is truth/SNR
    boxes = figures[f"boxes-{CALIBRATED}"].axes[0]
    medians = [line.get_ydata()[0] for line in boxes.get_lines() if line.get_color() == plots.LINES[NLLS].color]
    assert 0.0 in medians  # least squares was made without error


def test_planes_and_maps_show_the_numbers(made, figures):
    image = figures["plane-T1"].axes[0].collections[0]
    assert made.plane[DICTIONARY].truths.shape[0] == np.count_nonzero(~np.ma.getmaskarray(image.get_array()))
    np.testing.assert_allclose(np.abs(np.ma.compressed(image.get_array())), 0.01)
    truth = np.ma.masked_invalid(figures[f"maps-{CALIBRATED}"].axes[0].images[1].get_array())
    scan = made.scans[CALIBRATED]
    assert np.ma.median(truth) == pytest.approx(1e3 * np.median(scan.truths[:, 0]))
