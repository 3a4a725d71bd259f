"""`raofit reproduce mao2024 --experiment mrf`: the whole study in miniature, interrupted and resumed; refusals."""

import json

import numpy as np
import pytest

from raofit.cli import _reproduce_fingerprinting, _study_runner
from raofit.io.network_file import load_network
from raofit.studies import fingerprinting
from raofit.studies.fingerprinting import DICTIONARY, FINE_DICTIONARY, METHODS, Scale, trainings
from raofit.studies.fingerprinting_scans import DICTIONARY_B1, NLLS_B1, SCAN_TITLES
from tests.cli.helpers import entries, run

N_PULSES = 40
TINY = Scale(
    trainings(1, 1, 2, n_validation=64, hidden=(8,), batch_size=64), rank=4, n_basis=256, n_training=512, n_held_out=32,
    n_draws=8, n_fits=16, n_fit_draws=4, n_snrs=2, n_snr_draws=8, n_plane=3, n_plane_draws=8, n_atoms=(12, 12),
    n_fine_atoms=(20, 20), n_timed=256, phantom_size=32,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tiny():
    patch = pytest.MonkeyPatch()
    patch.setitem(fingerprinting.SCALES, "desk", TINY)
    patch.setattr("raofit.studies.mao2024_experiments.CHUNK", 256)
    patch.setattr("raofit.io.simulation_folder.CHUNK", 256)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    """A short train."""
    path = tmp_path_factory.mktemp("files") / "short.json"
    angles = 10 + 50 * np.sin(np.pi * np.arange(N_PULSES) / N_PULSES)
    content = {"flip_angles_deg": angles.tolist(), "repetition_times_ms": 12.0, "inversion_time_ms": 20.0}
    path.write_text(json.dumps(content))
    return path


def _command(out, *more):
    return ("reproduce", "mao2024", "--experiment", "mrf", "--out", out, *more)


@pytest.mark.slow
def test_an_interrupted_study_resumes_and_writes_everything(capsys, tmp_path, sequence, monkeypatch):
    out = tmp_path / "study"
    command = _command(out, "--trains", sequence, "--undersampling", 4, "--seed", 3)
    with monkeypatch.context() as patch:
        patch.setattr(_reproduce_fingerprinting.Runner, "plane", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        code, _, message = run(capsys, *command)
    assert code == 130
    assert "the same command continues" in message
    assert entries(tmp_path) == [".study.stages"]
    stored = np.load(tmp_path / ".study.stages" / "bias-reduced-at-SNR-20.npz")
    with monkeypatch.context() as patch:
        patch.setattr(_study_runner, "train_network", None)  # nothing is trained again
        code, printed, message = run(capsys, *command)
    assert code == 0, message
    assert printed.count("Claim ") == 7
    assert entries(tmp_path) == ["study"]

    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    of_stage = (stored["one/bias"] ** 2 - stored["one/std"] ** 2 / 7) / stored["one/crb_std"] ** 2
    found = content["held_out"]["20"]["bias-reduced"]["T1"]["squared_bias"]
    assert found["value"] == pytest.approx(of_stage[:, 0].mean(), rel=1e-9)
    assert set(content["held_out"]["50"]) == set(METHODS)
    assert set(content["microseconds_per_voxel"]) == {*METHODS, FINE_DICTIONARY}
    assert set(content["scans"]) == set(SCAN_TITLES.values())
    assert {DICTIONARY_B1, NLLS_B1} <= set(content["scans"][SCAN_TITLES["b1"]]["median_error"])
    assert content["n_atoms"][DICTIONARY] < 144
    network = load_network(out / "networks" / "bias-reduced.raofit")
    assert network.parameter_names == ("T1", "T2")
    np.testing.assert_allclose(np.rad2deg(network.model.protocol["flip_angles"][:2]), [10.0, 13.923], atol=1e-3)

    kinds = [f"{kind}-{scan}.png" for kind in ("maps", "differences", "boxes") for scan in SCAN_TITLES]
    assert entries(out / "figures") == sorted([*kinds, "plane-T1.png", "plane-T2.png", "sequence.png", "snr.png"])
    assert {"held-out.csv", "plane.npz", "scan-undersampled.npz", "white-matter.csv"} <= set(entries(out / "results"))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure") == 13
    for words in ("Claim 7", "spiral arms", "not public", "noisy measurements seen"):
        assert words in page


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--basis", "basis.mat"), "--basis belongs to --experiment qmt, not to mrf"),
        (("--coefficients", "c.mat"), "--coefficients belongs to --experiment qmt, not to mrf"),
        (("--undersampling", "0.5"), "--undersampling 0.5: expected an acceleration of at least 1"),
        (("--trains", "none.toml"), "none.toml"),
    ],
)
def test_mistakes_are_one_sentence(capsys, tmp_path, more, words):
    code, _, message = run(capsys, *_command(tmp_path / "out"), *more)
    assert code == 2
    assert words in message
    assert message.count("\n") == 1
    assert entries(tmp_path) == []


def test_the_options_of_fingerprinting_belong_to_it(capsys, tmp_path):
    code, _, message = run(capsys, "reproduce", "mao2024", "--undersampling", 8, "--out", tmp_path / "out")
    assert code == 2
    assert "--undersampling belongs to --experiment mrf" in message
    code, _, message = run(capsys, "reproduce", "zhang2022", "--experiment", "mrf", "--out", tmp_path / "out")
    assert code == 2
    assert "--experiment belongs to mao2024, not to zhang2022" in message
