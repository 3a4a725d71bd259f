"""`raofit reproduce`: the whole study in miniature, interrupted and resumed, and its refusals."""

import json

import numpy as np
import pytest

from raofit.cli import _reproduce_run
from raofit.studies import epstein2022_results, fixed_size_fit
from raofit.studies.epstein2022 import TITLES, Size
from tests.cli.helpers import AFFINE, entries, run, save

TINY = Size(
    n_train=400, n_validation=100, n_restarts=2, max_epochs=2, patience=2, n_repeats=2, n_leak=4,
    phantom_shape=(20, 20, 1), n_scan_repeats=3,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tiny():
    patch = pytest.MonkeyPatch()
    patch.setattr(_reproduce_run, "QUICK", TINY)
    patch.setattr(fixed_size_fit, "BATCH", 512)
    patch.setattr(epstein2022_results, "BATCH", 512)
    yield
    patch.undo()


@pytest.mark.slow
def test_an_interrupted_run_resumes_from_its_finished_stages(capsys, tmp_path, monkeypatch, blank_pages):
    out = tmp_path / "study"
    command = ("reproduce", "epstein2022", "--quick", "--seed", 4)
    with monkeypatch.context() as patch:
        patch.setattr(_reproduce_run.Runner, "leak", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        code, _, message = run(capsys, *command, "--out", out)
    assert code == 130
    assert "the same command continues" in message
    assert entries(tmp_path) == [".study.stages"]
    stored = np.load(tmp_path / ".study.stages" / "evaluation-at-SNR-15.npz")
    slow_bias = stored["supervised-gt/bias"][:, 2]

    code, printed, message = run(capsys, *command, "--out", out)
    assert code == 0
    assert "Continuing the unfinished run" in message
    assert printed.count("Claim ") == 7
    assert entries(tmp_path) == ["study"]
    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    kept = content["snr"]["15"]["methods"]["supervised-gt"]["D_slow"]["mean_abs_bias"]
    assert kept == pytest.approx(np.abs(slow_bias).mean(), rel=1e-12)
    assert set(content["snr"]) == {"15", "30"}
    for of_snr in content["snr"].values():
        assert set(of_snr["methods"]) == set(TITLES)
        for of_method in of_snr["methods"].values():
            for numbers in of_method.values():
                assert {"bias_slope", "mean_abs_bias", "mean_std", "mean_rmse", "share_of_labels_on_bound"} <= set(
                    numbers
                )
    assert [claim["number"] for claim in content["claims"]] == [1, 2, 3, 4, 5, 6, 7]
    assert len(content["label_leak"]) == 12
    assert len(content["restart_validation_losses"]) == 2

    numbers = ["02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "tradeoff-15", "tradeoff-30"]
    assert entries(out / "figures") == [f"figure-{number}.png" for number in numbers]
    assert len(entries(out / "networks")) == 2 * 9
    assert entries(out / "results") == [
        "label-leak.csv", "scan-bins.csv", "snr-15.csv", "snr-15.npz", "snr-30.csv", "snr-30.npz",
    ]  # fmt: skip
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == len(numbers)
    for words in ("Claim 1", "Claim 7", "figure 12", "A quick run", "hold"):
        assert words in page

    code, _, message = run(capsys, *command, "--out", out)
    assert code == 2
    assert "exists already" in message


@pytest.mark.parametrize(
    ("b_values", "words"),
    [
        ("0 0 100 100 800 800", "has 6 b-values but"),
        ("0 0 100 800", "expected every b-value the same number of times"),
        ("0 0 1e8 1e8", "s/m²"),
    ],
)
def test_an_unsuitable_scan_is_refused_before_anything_is_written(capsys, tmp_path, b_values, words):
    save(tmp_path / "scan.nii.gz", np.ones((3, 3, 2, 4), np.float32), AFFINE)
    (tmp_path / "scan.bval").write_text(b_values)
    before = entries(tmp_path)
    code, _, message = run(
        capsys, "reproduce", "epstein2022", "--out", tmp_path / "out", "--scan", tmp_path / "scan.nii.gz"
    )
    assert code == 2
    assert words in message
    assert entries(tmp_path) == before


def test_options_of_a_scan_need_a_scan(capsys, tmp_path):
    code, _, message = run(
        capsys, "reproduce", "epstein2022", "--out", tmp_path / "out", "--mask", tmp_path / "m.nii.gz"
    )
    assert code == 2
    assert "give it with --scan" in message


def test_an_unknown_study_is_a_usage_error(capsys, tmp_path):
    code, _, message = run(capsys, "reproduce", "epstein1922", "--out", tmp_path / "out")
    assert code == 2
    assert "epstein2022" in message
