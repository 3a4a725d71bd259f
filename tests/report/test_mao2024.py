"""The page and the figures of `raofit reproduce mao2024` from made results."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from raofit.evaluation.weighted import weighted_columns
from raofit.plot import mao2024 as plots
from raofit.plot.mao2024_slice import figure_residual, figure_slice
from raofit.report import render_report
from raofit.report.mao2024 import StudyPage, study_report
from raofit.studies.mao2024 import SCALES, TITLES
from raofit.studies.mao2024_claims import all_claims
from raofit.studies.mao2024_results import summary, tissue_columns
from tests.studies.mao2024_made import PARAMETERS, results


@pytest.fixture(scope="module")
def made():
    found = results()
    of = {"noisy_measurements": 2e6, "seconds": 60.0, "weights": 3000, "validation_loss": 1.0}
    found.trainings.update({training.name: of for training in SCALES["quick"].trainings})
    return found


@pytest.fixture(scope="module")
def figures(made) -> dict[str, Figure]:
    return {
        "1": plots.figure_boxes(made.boxes, made.box_p_values, PARAMETERS),
        "2": plots.figure_snr(made.tissues["white matter"], made.tissue_snrs, PARAMETERS),
        "2-gray-matter": plots.figure_snr(made.tissues["gray matter"], made.tissue_snrs, PARAMETERS),
        "3": plots.figure_histograms(made.random_snr, PARAMETERS),
        "S1": plots.figure_outside(made.outside, PARAMETERS),
        "4": figure_slice(made.measured_slice, PARAMETERS),
        "4-residual": figure_residual(made.measured_slice),
    }


def test_the_page_has_every_figure_claim_and_number(made, figures):
    claims = all_claims(made)
    page = StudyPage(made, claims, figures, "quick", SCALES["quick"], 4096, 3.5e-3, 1.5, {"seed": 0})
    text = render_report(study_report(page))
    assert text.count("<img ") == len(figures)
    for words in (
        "A quick run",
        "11 supported",
        "18%",
        "5.0% of the voxels are flagged",
        "TR 3.5 ms",
        *TITLES.values(),
    ):
        assert words in text
    assert ">nan<" not in text


def test_figures_show_microseconds(figures):
    labels = [axes.get_ylabel() for axes in figures["1"].axes]
    assert labels[-1].endswith("(µs)")
    low, high = figures["1"].axes[5].get_ylim()
    assert low < 12.4 < high


def test_tables_hold_what_the_summary_holds(made):
    numbers = summary(made)
    columns = weighted_columns(made.weighted)
    is_cell = (columns["snr"] == 20.0) & (columns["method"] == "bias-reduced") & (columns["parameter"] == "Rx")
    assert is_cell.sum() == 1
    assert columns["variance"][is_cell][0] == numbers["held_out"]["20"]["bias-reduced"]["Rx"]["variance"]["value"]
    of_tissue = tissue_columns(made)
    assert len(of_tissue["snr"]) == 2 * 6 * (9 + 9 + 3 + 3)
    white = numbers["figure_2"]["white matter"]["nlls"]
    assert white["Rx"]["crb_std"][0] == pytest.approx(0.24)
    assert np.all(np.isfinite(of_tissue["std [%]"]))
