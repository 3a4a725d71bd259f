"""`raofit reproduce mao2024`: the whole study in miniature, interrupted and resumed, and its refusals."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.cli import _reproduce_mao2024, _study_runner
from raofit.models import QMT
from raofit.studies import mao2024
from raofit.studies.mao2024 import NETWORKS, NLLS, ONE_STEP, SHOWN, STEPS, Scale
from raofit.studies.mao2024_recipes import compact_trainings
from raofit.training.priors import build
from tests.cli.helpers import entries, run
from tests.io.matlab_files import write_v73

REPETITION_TIME = 3.5e-3
RANK = 8
N_PULSES = 60
TINY = Scale(
    compact_trainings(1, 1, 2, n_validation=64, hidden=(8,), batch_size=32), rank=RANK, n_training=256, n_held_out=32,
    n_draws=8, n_one_step=8, n_one_step_draws=4, n_box_draws=20, n_snrs=5, n_snr_draws=8, nlls_snrs=(20.0, 50.0),
    n_nlls_draws=4, n_outside=24, n_outside_draws=8, slice_chunk=32,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tiny():
    patch = pytest.MonkeyPatch()
    patch.setitem(mao2024.SCALES, "desk", TINY)
    patch.setattr("raofit.studies.mao2024_experiments.CHUNK", 256)
    patch.setattr("raofit.io.simulation_folder.CHUNK", 256)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two short trains, a basis from an SVD of their signals, and a measured slice simulated with both."""
    return write_files(tmp_path_factory.mktemp("files"))


def write_files(folder):
    angles = np.deg2rad(np.stack([np.r_[180, 20 + 15 * np.sin(np.arange(1, N_PULSES) / k)] for k in (5, 9)]))
    durations = np.full_like(angles, 300e-6)
    write_v73(folder / "trains.mat", alpha=angles.T, TRF=durations.T)
    model = QMT(angles, durations, REPETITION_TIME)
    parameters = build("qmt-tissue", repetition_time=REPETITION_TIME).sample(jax.random.key(0), 256)
    signals = np.asarray(model.signal(jnp.asarray(parameters)))
    basis = np.linalg.svd(np.concatenate([signals.real, signals.imag]), full_matrices=False)[2][:RANK].T
    write_v73(folder / "basis.mat", U=basis)
    mask = np.zeros((9, 8), bool)
    mask[1:8, 1:7] = True
    coefficients = np.zeros((9, 8, RANK), np.complex64)
    random = np.random.default_rng(0)
    noise = random.normal(size=(mask.sum(), RANK)) + 1j * random.normal(size=(mask.sum(), RANK))
    coefficients[mask] = 3e-6 * np.exp(0.5j) * (signals[: mask.sum()] @ basis + noise / 40)
    write_v73(folder / "slice.mat", x=coefficients, mask=mask)
    return folder


def _command(files, out, *more):
    return (
        "reproduce", "mao2024", "--out", out, "--trains", files / "trains.mat", "--basis", files / "basis.mat", *more,
    )  # fmt: skip


@pytest.mark.slow
def test_an_interrupted_study_resumes_and_writes_everything(capsys, tmp_path, files, monkeypatch):
    out = tmp_path / "study"
    command = _command(files, out, "--coefficients", files / "slice.mat", "--seed", 3)
    with monkeypatch.context() as patch:
        patch.setattr(_reproduce_mao2024.Runner, "outside", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        code, _, message = run(capsys, *command)
    assert code == 130
    assert "the same command continues" in message
    assert entries(tmp_path) == [".study.stages"]
    stored = np.load(tmp_path / ".study.stages" / "bias-reduced-at-SNR-20.npz")
    with monkeypatch.context() as patch:
        patch.setattr(_study_runner, "train_network", None)  # nothing is trained again
        code, printed, message = run(capsys, *command)
    assert code == 0, message
    assert "Continuing the unfinished run" in message
    assert printed.count("Claim ") == 11
    assert entries(tmp_path) == ["study"]

    content = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert set(content["held_out"]) == {"10", "20", "50"}
    for by_method in content["held_out"].values():
        assert set(by_method) == {*NETWORKS, *STEPS}
        for of in by_method.values():
            assert set(of) == {*SHOWN, "mean"}
    of_stage = (stored["one/bias"] ** 2 - stored["one/std"] ** 2 / 7) / stored["one/crb_std"] ** 2
    found = content["held_out"]["20"]["bias-reduced"]["m0s"]["squared_bias"]
    assert found["value"] == pytest.approx(of_stage[:, 0].mean(), rel=1e-9)
    assert found["low"] < found["value"] < found["high"]
    budgets = {name: of["noisy_measurements"] for name, of in content["trainings"].items() if name != "start"}
    assert len(set(budgets.values())) == 1
    assert set(content["figure_2"]["white matter"]) == {"mse-crb", "bias-reduced", ONE_STEP, NLLS}
    in_vivo = content["figure_4"]
    assert in_vivo["n_voxels"] == 42
    assert set(in_vivo["median_distance_to_nlls_in_root_crb"]) == {"mse-crb", "bias-reduced", ONE_STEP}
    assert [claim["number"] for claim in content["claims"]] == list(range(1, 12))
    assert {name: content["settings"][name] for name in ("n_training", "rank")} == {"n_training": 256, "rank": RANK}

    figures = ["1", "2", "2-gray-matter", "3", "4", "4-residual", "S1"]
    assert entries(out / "figures") == sorted(f"figure-{key}.png" for key in figures)
    assert entries(out / "networks") == sorted(f"{training.name}.raofit" for training in TINY.trainings)
    assert {"held-out.csv", "tissues.csv", "slice.npz", "outside.npz"} <= set(entries(out / "results"))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("<img ") == len(figures)
    for words in ("Claim 1", "Claim 11", "Welch", "left out", "noisy measurements seen"):
        assert words in page

    again = tmp_path / "again"
    monkeypatch.setattr(_reproduce_mao2024.Runner, "network", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    code, *_ = run(capsys, *_command(files, again, "--training-set", out / "training-set.h5"))
    assert code == 130
    assert not (tmp_path / ".again.stages" / "training-set.h5").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--trains", "none.mat"), "none.mat: no such file"),
        (("--coefficients", "{files}/basis.mat"), "expected the coefficients"),
        (("--training-set", "{files}/basis.mat"), "expected the format"),
        (("--workers", "0"), "--workers 0: expected at least 1"),
        (("--quick", "--scale", "desk"), "contradict each other"),
        (("--labels", "literal"), "--labels belongs to epstein2022, not to mao2024"),
        (("--scan", "scan.nii.gz"), "--scan belongs to epstein2022, not to mao2024"),
    ],
)
def test_mistakes_are_one_sentence(capsys, tmp_path, files, more, words):
    command = _command(files, tmp_path / "out")
    if more[0] == "--trains":
        command = command[:4]
    code, _, message = run(capsys, *command, *(word.format(files=files) for word in more))
    assert code == 2
    assert words in message
    assert message.count("\n") == 1
    assert "Traceback" not in message


@pytest.mark.parametrize(("option", "file"), [("--trains", "control.mat"), ("--basis", "basis.mat")])
def test_missing_files_are_named_with_their_source(capsys, tmp_path, files, option, file):
    given = [word for word in ("--trains", "--basis") if word != option]
    names = {"--trains": "trains.mat", "--basis": "basis.mat"}
    tokens = [token for word in given for token in (word, files / names[word])]
    code, _, message = run(capsys, "reproduce", "mao2024", "--out", tmp_path / "out", *tokens)
    assert code == 2
    assert f"{option} FILE ({file} of github.com/andrewwmao/BiasReducedNetworks)" in message


def test_the_study_of_another_paper_refuses_a_slice(capsys, tmp_path):
    code, _, message = run(
        capsys, "reproduce", "zhang2022", "--out", tmp_path / "out", "--coefficients", tmp_path / "slice.mat"
    )
    assert code == 2
    assert "--coefficients belongs to mao2024, not to zhang2022" in message
