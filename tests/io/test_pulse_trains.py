"""Flip-angle trains from every kind of file, and one sentence for every mistake in them."""

import json

import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.io.pulse_trains import load_trains
from tests.io.matlab_files import write_v5, write_v73

ANGLES = np.array([[3.1, 0.2, 0.4, 0.1], [3.1, 0.0, 0.3, 0.5]])
DURATIONS = np.array([[500e-6, 100e-6, 200e-6, 100e-6], [500e-6, 100e-6, 150e-6, 300e-6]])
TR = 3.5e-3


def _text(angles, durations):
    rows = ["flip_angle_rad, pulse_duration_s, cycle"]
    for cycle, (row_angles, row_durations) in enumerate(zip(angles, durations, strict=True)):
        rows += [f"{angle!r}, {duration!r}, {cycle}" for angle, duration in zip(row_angles, row_durations, strict=True)]
    return "\n".join(rows)


def _written(folder, kind, angles=ANGLES, durations=DURATIONS):
    path = folder / f"train.{kind}"
    lists = {"flip_angles_rad": angles.tolist(), "pulse_durations_s": durations.tolist(), "repetition_time_s": TR}
    match kind:
        case "mat":
            return write_v73(path, alpha=angles.T, TRF=durations.T, TR=TR)
        case "json":
            path.write_text(json.dumps(lists))
        case "toml":
            path.write_text("\n".join(f"{name} = {value}" for name, value in lists.items()))
        case "csv":
            path.write_text(_text(angles.tolist(), durations.tolist()))
    return path


@pytest.mark.parametrize("kind", ["mat", "json", "toml", "csv"])
def test_every_kind_of_file_gives_the_same_trains(tmp_path, kind):
    trains = load_trains(_written(tmp_path, kind))
    np.testing.assert_array_equal(trains.flip_angles, ANGLES)
    np.testing.assert_array_equal(trains.pulse_durations, DURATIONS)
    assert trains.repetition_time == (None if kind == "csv" else TR)
    assert trains.n_measurements == 8


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 4)])
@pytest.mark.parametrize("write", [write_v73, write_v5], ids=["v7.3", "v5"])
def test_one_cycle_in_any_shape(tmp_path, write, shape):
    path = write(tmp_path / "a.mat", alpha=ANGLES[0].reshape(shape), TRF=DURATIONS[0].reshape(shape))
    np.testing.assert_array_equal(load_trains(path).flip_angles, ANGLES[:1])


def test_matlab_names_in_words_and_cycles_along_rows(tmp_path):
    path = write_v5(tmp_path / "a.mat", flip_angles=ANGLES, pulse_durations=DURATIONS)
    np.testing.assert_array_equal(load_trains(path).flip_angles, ANGLES)


def test_one_duration_for_all_pulses(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("flip_angles_rad = [3.1, 0.2]\npulse_durations_s = 1e-4\n")
    np.testing.assert_array_equal(load_trains(path).pulse_durations, [[1e-4, 1e-4]])


def test_a_csv_of_one_cycle_needs_no_cycle_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("alpha,TRF\n3.1,5e-4\n0.2,1e-4\n")
    np.testing.assert_array_equal(load_trains(path).flip_angles, [[3.1, 0.2]])


def test_the_published_trains(shared_data):
    trains = load_trains(shared_data / "qmt-mao" / "control.mat")
    assert trains.flip_angles.shape == (6, 1142)
    np.testing.assert_array_equal(trains.flip_angles[:, 0], np.pi)
    np.testing.assert_allclose(trains.pulse_durations[:, 0], 500e-6)
    assert load_trains(shared_data / "qmt-mao" / "control_v3.2.mat").flip_angles.shape == (1, 1142)


@pytest.mark.parametrize(
    ("angles", "durations", "words"),
    [
        (np.degrees(ANGLES), DURATIONS, r"177\.617 rad is more than a full turn; if the angles are in degrees.*π/180"),
        (ANGLES, DURATIONS * 1e3, r"0\.5 s is too long; if the durations are in milliseconds, divide them by 1000"),
        (ANGLES, DURATIONS * 1e6, r"500 s is too long; if the durations are in microseconds, divide them by 1e6"),
        (ANGLES, DURATIONS * 1e-6, "too short for any scanner; give the durations in seconds"),
        (ANGLES, DURATIONS * 0, r"expected pulse durations > 0 s, found 0"),
        (ANGLES, -DURATIONS, r"expected pulse durations > 0 s, found -0\.0005"),
        (ANGLES * np.nan, DURATIONS, "expected finite flip angles"),
        (ANGLES, DURATIONS + np.inf, "expected finite pulse durations"),
        (ANGLES, DURATIONS[:, :3], r"as many pulse durations as flip angles.*\(2, 4\) and \(2, 3\)"),
        (ANGLES, DURATIONS[0], r"as many pulse durations as flip angles.*\(2, 4\) and \(4,\)"),
        (ANGLES[None], DURATIONS[None], r"a list or one list per cycle"),
    ],
)
def test_values_that_cannot_be_a_train(tmp_path, angles, durations, words):
    path = write_v73(tmp_path / "a.mat", alpha=angles.T, TRF=durations.T)
    with pytest.raises(ProtocolError, match=rf"a\.mat: .*{words}"):
        load_trains(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", "", r"expected flip-angle trains in a file ending in \.mat, \.toml, \.json, \.csv"),
        ("a.toml", "flip_angles_rad = [1", "not valid TOML"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[1, 2]", "expected the keys `flip_angles_rad` and `pulse_durations_s`"),
        (
            "a.toml",
            "angles = [1]",
            "the flip angles under `alpha`, `flip_angles`, `flip_angles_rad`; the file has `ang",
        ),
        ("a.toml", "alpha = [1]", "the pulse durations under `TRF`"),
        ("a.toml", 'alpha = ["x"]\nTRF = 1e-4', "expected numbers for the flip angles"),
        (
            "a.toml",
            "alpha = [[1, 2], [1]]\nTRF = 1e-4",
            "expected numbers for the flip angles, in lists of equal length",
        ),
        ("a.toml", "alpha = []\nTRF = []", "expected one pulse at least, found empty lists"),
        ("a.csv", "", "expected a header and one row per pulse"),
        ("a.csv", "1,1e-4\n2,1e-4", "the flip angles under `flip_angle_rad`"),
        ("a.csv", "alpha,TRF\n1,ten", "expected numbers for the pulse durations"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(FileError, match=words):
        load_trains(path)


def test_a_csv_row_cut_short(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("alpha,TRF\n1,1e-4\n1\n")
    with pytest.raises(ProtocolError, match="expected finite pulse durations"):
        load_trains(path)


def test_cycles_of_different_length(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("alpha,TRF,cycle\n1,1e-4,a\n1,1e-4,b\n2,1e-4,b\n")
    with pytest.raises(ProtocolError, match="equally many pulses, found 1, 2"):
        load_trains(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match="no such file; expected flip-angle trains"):
        load_trains(tmp_path / "a.mat")


@pytest.mark.parametrize("value", [0.0, -1.0, [1e-3, 2e-3]])
def test_repetition_times_in_the_file(tmp_path, value):
    path = write_v73(tmp_path / "a.mat", alpha=ANGLES.T, TRF=DURATIONS.T, TR=value)
    with pytest.raises(ProtocolError, match="expected one repetition time > 0 s"):
        load_trains(path)


def test_the_protocol_of_a_model(tmp_path):
    trains = load_trains(_written(tmp_path, "json"))
    assert trains.protocol()["repetition_time"] == TR
    assert trains.protocol(4e-3)["repetition_time"] == 4e-3
    np.testing.assert_array_equal(trains.protocol()["flip_angles"], ANGLES)
    with pytest.raises(ProtocolError, match=r"longest pulse, got 0\.0004 s and a pulse of 0\.0005 s"):
        trains.protocol(0.4e-3)
    with pytest.raises(ProtocolError, match="does not say the repetition time; give it with --tr"):
        load_trains(_written(tmp_path, "csv")).protocol()
