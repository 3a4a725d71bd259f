"""The benchmark page is written from its numbers alone, and says what was not measured."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import page_figure, page_text
from benchmarks.accuracy import accuracy, agreement
from benchmarks.page_plan import still_valid, why_not

DOCS = Path(__file__).parents[1] / "docs"
NUMBERS = {"bias": 0.5, "std": 2.0, "rmse": 2.06, "slope": -0.001}


def _measured(method: str, size: int, seconds: list[float], **changes) -> dict:
    return {
        "task": "t2", "method": method, "size": size, "version": "1.2", "seconds": seconds, "start_s": 1.0,
        "warm_up_s": 3.0, "warm_up_voxels": size, "cores_used": 1.9, "others_cores": 0.04, "resident_mb": 100.0,
        "peak_mb": 112.0, "input_mb": 1.0, "failed": 0.0, "accuracy": {"T2": NUMBERS},
    } | changes  # fmt: skip


def _refused(method: str, size: int, **why) -> dict:
    return {"task": "t2", "method": method, "size": size, "version": "1.2", **why}


@pytest.fixture
def results() -> dict:
    return {
        "machine": {"processor": "a processor", "cores": "2", "memory": "24 GiB", "system": "Linux"},
        "commit": "abc", "budget_s": 60.0, "date": "2030-01-02",
        "interpreters": [{"python": "3.11.7", "versions": {"fast": "1.2"}}],
        "tasks": {
            "t2": {
                "title": "T2", "text": "Echoes.", "parameters": [{"name": "T2", "unit": "ms"}], "has_truth": True,
                "bound": {"T2": {"rms": 1.9, "median": 1.8}},
                "methods": {
                    "fast": {"label": "a fast one", "package": "raofit", "is_yardstick": False},
                    "slow": {"label": "a slow one", "package": "slow", "is_yardstick": False},
                    "constant": {"label": "a constant", "package": "numpy", "is_yardstick": True},
                    "left": {"label": "a forgotten one", "package": "left", "is_yardstick": False},
                    "gone": {
                        "label": "a missing one", "package": "gone", "is_yardstick": False,
                        "missing": "not there; it needs an Ark",
                    },
                },
            }
        },
        "records": [
            _measured("constant", 1000, [1e-9]), _measured("fast", 1000, [0.01, 0.008, 0.012]),
            _measured("slow", 1000, [10.0]),
            _measured("fast", 1_000_000, [2.0], others_cores=0.5), _refused("slow", 1_000_000, skipped="time"),
            _measured("fast", 10_000_000, [20.0]), _refused("slow", 10_000_000, failed_because="ended by signal 9"),
        ],
    }  # fmt: skip


def test_a_row_has_the_speed_of_its_own_size_and_no_other(results):
    page = page_text.page(results, "benchmarks")
    table = page.split("### Voxels per second\n\n")[1].split("\n\n")[0].splitlines()
    assert table == [
        "| voxels | 10³ | 10⁶ | 10⁷ |",
        "| --- | --- | --- | --- |",
        "| a fast one | 100,000 ± 21% | 500,000 | 500,000 |",
        "| a slow one | 100 | — | failed |",
    ]


def test_a_yardstick_has_an_accuracy_and_no_speed(results):
    page = page_text.page(results, "benchmarks")
    assert page.count("| a constant |") == 1
    assert "| a constant | +0.5 | 2 | 2.06 | +0.00 |" in page
    assert "| √CRB | 0 | 1.9 (1.8) | 1.9 | 0 |" in page


def test_what_is_missing_and_what_failed_are_said(results):
    missing = page_text.page(results, "benchmarks").split("## Not measured")[1]
    assert "- a missing one (T2): not there; it needs an Ark" in missing
    assert "- a slow one, 10⁷ voxels: ended by signal 9" in missing
    assert "- a forgotten one (T2): left out of this run" in missing
    assert "osipi-ivim" in missing


def test_other_work_on_the_machine_is_said(results):
    assert "Other work took 0.0 cores in the median, 0.5 at most." in page_text.page(results, "benchmarks")
    for record in results["records"]:
        record["others_cores"] = 1.5
    assert "The machine was not idle" in page_text.page(results, "benchmarks")


def test_compiling_is_the_first_call_less_a_later_one(results):
    row = next(line for line in page_text.page(results, "b").splitlines() if line.startswith("| a slow one | 1.2"))
    assert row == "| a slow one | 1.2 | 1.0 |  | 0.0 | 1.9 | 99 |"
    results["records"][2] |= {"seconds": [1.0], "warm_up_voxels": 500}
    row = next(line for line in page_text.page(results, "b").splitlines() if line.startswith("| a slow one | 1.2"))
    assert row.split(" | ")[4] == "2.5"


def test_a_size_is_refused_by_time_or_memory_and_never_by_a_guess_from_nothing():
    small, large = _measured("fast", 1000, [0.1]), _measured("fast", 10**5, [1.0], peak_mb=3100.0)
    assert why_not([], 10**7, budget_s=1, memory_gb=1) == ""
    assert why_not([small], 10**4, budget_s=1.1, memory_gb=24) == ""
    assert (
        why_not([small], 10**5, budget_s=1.1, memory_gb=24) == "time: at the speed of 1,000 voxels it would take 10 s"
    )
    assert why_not([large], 10**6, budget_s=60, memory_gb=24).startswith("memory: by that of 100,000 voxels")
    assert why_not([large], 10**6, budget_s=60, memory_gb=64) == ""
    refused = _refused("fast", 10**6, skipped="time: …")
    assert why_not([small, refused], 10**7, budget_s=1e9, memory_gb=1e9) == "time: …"


def test_a_resumed_run_keeps_measurements_of_the_same_version_alone():
    records = [_measured("fast", 1000, [1.0]), _measured("old", 1000, [1.0]), _refused("fast", 10**4, skipped="time")]
    assert still_valid(records, {("t2", "fast"): "1.2", ("t2", "old"): "1.3"}) == records[:1]


def test_accuracy_and_agreement_of_numbers_known_by_hand():
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    assert accuracy(np.append(2 - truth, np.nan), np.append(truth, 9.0)) == pytest.approx(
        {"bias": -0.5, "std": np.sqrt(1.25), "rmse": np.sqrt(1.5), "slope": -1.0}
    )
    estimate = np.array([1.005, 2.0, 3.0, np.nan, 7.0])
    assert agreement(estimate, np.append(truth, np.nan)) == pytest.approx(
        {"median": 2.0, "median_difference": 0.0025, "large_difference": np.inf, "close": 0.75}
    )


def test_the_page_in_the_documentation_is_the_one_its_numbers_make(tmp_path):
    numbers = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))
    assert page_text.page(numbers, "benchmarks") == (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    for name in ("ivim", "t2"):
        records = [record for record in numbers["records"] if record["task"] == name]
        assert page_text.sizes_of(records) == [10**3, 10**4, 10**5, 10**6, 10**7]
    assert (DOCS / "benchmarks.png").stat().st_size < 150_000
    page_figure.draw(numbers, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_every_method_sees_the_same_voxels():
    pytest.importorskip("threadpoolctl", reason="pip install 'raofit[bench]'")
    from benchmarks import voxels
    from benchmarks.tasks import TASKS

    task = TASKS["ivim"]
    first, second = task.block(0), task.block(1)
    np.testing.assert_array_equal(first.magnitudes, voxels.draw(100_000).magnitudes)  # as in the pytest benchmarks
    assert not np.array_equal(first.truths, second.truths)
    assert not np.array_equal(second.truths[:10], voxels.draw(100_000, seed=2).truths[:10])  # what IVIM-NET learns from
    np.testing.assert_array_equal(second.truths, task.block(1).truths)
