"""`raofit reproduce zhang2022`: the whole study in miniature, interrupted and resumed, and its refusals."""

import json

import numpy as np
import pytest

from raofit.cli import _reproduce_zhang2022, _study_runner
from raofit.io.network_file import load_network
from raofit.studies import zhang2022
from raofit.studies.zhang2022 import ESTIMATED, GRID_SNRS, PLANES, TITLES, Size
from tests.cli.helpers import entries, run

N_PULSES = 50
TINY = Size(
    "compact", n_basis=256, n_samples=512, n_validation=128, n_test=64, n_test_draws=6, n_grid=16, share_of_draws=0.02,
    batch_size=128, max_epochs=3,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tiny():
    patch = pytest.MonkeyPatch()
    patch.setitem(zhang2022.SIZES, "quick", TINY)
    patch.setattr("raofit.io.simulation_folder.CHUNK", 256)  # as many as the basis and the grids have: one shape
    yield
    patch.undo()


@pytest.fixture(scope="module")
def trains(tmp_path_factory):
    """A short train of large and varied flip angles, as JSON."""
    path = tmp_path_factory.mktemp("files") / "train.json"
    angles = np.r_[np.pi, 0.5 + 0.45 * np.sin(np.arange(1, N_PULSES) / 4)]
    content = {
        "flip_angles_rad": angles.tolist(), "pulse_durations_s": [300e-6] * N_PULSES, "repetition_time_s": 20e-3,
    }  # fmt: skip
    path.write_text(json.dumps(content))
    return path


@pytest.mark.slow
def test_an_interrupted_study_resumes_and_writes_everything(capsys, tmp_path, trains, monkeypatch):
    out = tmp_path / "study"
    command = ("reproduce", "zhang2022", "--quick", "--seed", 3, "--out", out, "--trains", trains)
    with monkeypatch.context() as patch:
        patch.setattr(_reproduce_zhang2022.Runner, "plane", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        code, _, message = run(capsys, *command)
    assert code == 130
    assert "the same command continues" in message
    assert entries(tmp_path) == [".study.stages"]
    stored = np.load(tmp_path / ".study.stages" / "held-out-evaluation.npz")

    with monkeypatch.context() as patch:
        patch.setattr(_study_runner, "train_network", None)  # nothing is trained again
        code, printed, message = run(capsys, *command)
    assert code == 0, message
    assert "Continuing the unfinished run" in message
    assert printed.count("Claim ") == 5
    assert entries(tmp_path) == ["study"]

    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    places = ["held-out"] + [f"{plane.name}, SNR {snr:g}" for plane in PLANES for snr in GRID_SNRS]
    assert sorted(content["results"]) == sorted(places)
    for of_place in content["results"].values():
        assert set(of_place) == set(TITLES)
        for numbers in of_place.values():
            assert set(numbers) == {*ESTIMATED, "mean"}
    m0s = content["results"]["held-out"]["mse-crb"]["m0s"]
    bias = stored["mse-crb/bias"][:, 0]
    variance = stored["mse-crb/std"][:, 0] ** 2
    weighted = np.mean((bias**2 - variance / 5) / stored["mse-crb/crb_std"][:, 0] ** 2)
    assert m0s["weighted_squared_bias"]["value"] == pytest.approx(weighted, rel=1e-6)
    assert m0s["mse_crb"]["low"] <= m0s["mse_crb"]["value"] <= m0s["mse_crb"]["high"]
    assert [claim["number"] for claim in content["claims"]] == [1, 2, 3, 4, 5]
    history = content["trainings"]["mse"]["history"]
    assert [len(history["mse_crb"][name]) for name in ESTIMATED] == [3, 3, 3]
    assert 0 < content["energy_outside_basis"]["mean"] < 0.1

    assert entries(out / "networks") == sorted(f"{name}.safetensors" for name in TITLES)
    network = load_network(out / "networks" / "mse-crb.safetensors")
    assert network.parameter_names == ESTIMATED
    assert network.model.n_measurements == 13
    grids = [f"{plane.name}-snr-{snr:g}" for plane in PLANES for snr in GRID_SNRS]
    assert {name.removesuffix(".csv") for name in entries(out / "results") if name.endswith(".csv")} == {
        "held-out", "loss-per-epoch", *grids,
    }  # fmt: skip
    assert len(entries(out / "figures")) == 2 + len(grids)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == 2 + len(PLANES)
    for words in ("Claim 1", "Claim 5", "A quick run", "cannot be repeated", "50 pulses"):
        assert words in page

    code, _, message = run(capsys, *command)
    assert code == 2
    assert "exists already" in message


def test_the_train_is_asked_for(capsys, tmp_path):
    code, _, message = run(capsys, "reproduce", "zhang2022", "--out", tmp_path / "out")
    assert code == 2
    assert "--trains FILE" in message
    assert entries(tmp_path) == []


def test_a_training_set_is_not_mixed_with_trains(capsys, tmp_path, trains):
    code, _, message = run(
        capsys, "reproduce", "zhang2022", "--out", tmp_path / "out", "--trains", trains, "--training-set", trains
    )
    assert code == 2
    assert "leave out --trains" in message
