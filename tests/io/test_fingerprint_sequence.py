"""Sequences of fingerprinting: degrees and ms in the file, radians and seconds in the model."""

import json

import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.io.fingerprint_sequence import load_sequence, load_sequence_for, shipped_sequences, write_sequence
from raofit.models import MRFFISP, HybridState

SETTINGS = {"flip_angles_deg": [10, 70, 20], "repetition_times_ms": [12, 13, 14], "inversion_time_ms": 20}


def written(folder, suffix: str, settings: dict) -> str:
    path = folder / f"sequence{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(settings))
    elif suffix == ".toml":
        path.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    else:
        n_rows = max(np.size(value) for value in settings.values())
        columns = [np.broadcast_to(value, n_rows) for value in settings.values()]
        rows = [",".join(settings), *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
        path.write_text("\n".join(rows))
    return str(path)


@pytest.mark.parametrize("suffix", [".toml", ".json", ".csv"])
def test_settings_are_converted_once(tmp_path, suffix):
    found = load_sequence(written(tmp_path, suffix, SETTINGS | {"rf_phases_deg": [0, 90, 180], "slice_profile": [1]}))
    np.testing.assert_allclose(found["flip_angles"], np.radians([10, 70, 20]))
    np.testing.assert_allclose(found["repetition_times"], [0.012, 0.013, 0.014])
    np.testing.assert_allclose(found["rf_phases"], [0, np.pi / 2, np.pi])
    assert found["inversion_time"] == pytest.approx(0.02)
    assert found["inversion_efficiency"] == 1
    assert MRFFISP(**found).n_measurements == 3


@pytest.mark.parametrize("suffix", [".toml", ".json", ".csv"])
def test_balanced_pulses_have_one_repetition_time(tmp_path, suffix):
    repeated = {".toml": "true", ".json": True, ".csv": 1}[suffix]
    settings = {"flip_angles_deg": [10, 70, 20], "repetition_time_ms": 4.5, "is_repeated": repeated}
    model = HybridState(**load_sequence(written(tmp_path, suffix, settings)))
    np.testing.assert_allclose(model.flip_angles, np.radians([10, 70, 20]))
    assert model.repetition_time == pytest.approx(4.5e-3)
    assert model.inversion_efficiency == 1
    assert model.is_repeated


def test_a_written_sequence_is_read_back(tmp_path):
    random = np.random.default_rng(0)
    model = MRFFISP(
        random.uniform(0.1, 1.2, 30), random.uniform(0.008, 0.015, 30), echo_times=0.003,
        rf_phases=np.pi * np.arange(30), inversion_time=0.02, inversion_efficiency=0.95, slice_profile=[1.0, 0.6],
    )  # fmt: skip
    write_sequence(tmp_path / "train.toml", model.protocol, "made here")
    text = (tmp_path / "train.toml").read_text()
    assert text.startswith("# made here\nflip_angles_deg = [\n")
    assert "echo_times_ms = 3\n" in text
    found = MRFFISP(**load_sequence(tmp_path / "train.toml"))
    for name, values in model.protocol.items():
        np.testing.assert_allclose(found.protocol[name], values, rtol=1e-6)


def test_the_shipped_spoiled_sequence_is_what_its_comment_says():
    assert list(shipped_sequences()) == ["fisp-880", "hybrid-840"]
    model = MRFFISP(**load_sequence("fisp-880"))
    lobe = np.sin(np.pi * (np.arange(220) + 0.5) / 220)
    expected = np.concatenate([4 + (peak - 4) * lobe for peak in (70, 30, 60, 20)])
    np.testing.assert_allclose(np.degrees(model.flip_angles), expected, atol=0.005)
    assert model.repetition_times.sum() + model.inversion_time == pytest.approx(10.58)


def test_the_shipped_balanced_sequence_is_what_its_comment_says():
    model = HybridState(**load_sequence("hybrid-840"))
    phase = np.pi * (np.arange(840) + 0.5) / 840
    terms = enumerate((47, 37, 8, -1, 17, 36, 30, 5, -3, 1), start=1)
    expected = np.maximum(sum(weight * np.sin(k * phase) for k, weight in terms), 0.0)
    np.testing.assert_allclose(np.degrees(model.flip_angles), expected, atol=0.005 + 1e-9)
    assert np.degrees(model.flip_angles).max() < 121
    assert 840 * model.repetition_time == pytest.approx(3.78)
    assert model.is_repeated


@pytest.mark.parametrize(
    ("model", "sequence", "words"),
    [
        (HybridState, "fisp-880", "of gradient-spoiled .* for mrf-fisp.*, and the model is one of balanced pulses"),
        (MRFFISP, "hybrid-840", "of balanced .* for mrf-hybrid-state.*, and the model is one of gradient-spoiled"),
    ],
)
def test_a_sequence_of_the_other_kind_is_refused(model, sequence, words):
    fields = [field.name for field in model.protocol_fields]
    with pytest.raises(ProtocolError, match=f"^{sequence}: this is a sequence {words}.*; choose the other model"):
        load_sequence_for(fields, sequence)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"flip_angles_deg": [0.2, 1.2]}, ProtocolError, "largest flip angle is 1.2°; multiply radians by 180/π"),
        ({"flip_angles_deg": [10, 700]}, ProtocolError, "largest flip angle is 700°; they are in degrees"),
        ({"flip_angles_deg": []}, ProtocolError, "list of finite numbers for `flip_angles_deg`"),
        ({"flip_angles_deg": ["a"]}, FileError, "expected numbers for `flip_angles_deg`"),
        ({"flip_angles_deg": [10**400]}, FileError, "expected numbers for `flip_angles_deg`"),
        ({"T\nR": 12}, FileError, r"there is no setting `T\\nR`"),
        ({"repetition_times_ms": [-12.0]}, ProtocolError, "times ≥ 0 ms for `repetition_times_ms`, found -12"),
        ({"inversion_time_ms": [20, 30]}, ProtocolError, "one number for `inversion_time_ms`, found 2"),
        ({"repetition_time_ms": 4}, FileError, "no setting `repetition_times_ms`; .* balanced .* `is_repeated`"),
        ({"TR": 12}, FileError, "there is no setting `TR`; a sequence has `flip_angles_deg`"),
    ],
)
def test_unusable_settings_are_refused_in_a_sentence(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        load_sequence(written(tmp_path, ".json", SETTINGS | changes))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.toml", None, "no such file"),
        ("train.mat", "", "a file ending in .toml, .json, .csv, or fisp-880"),
        ("damaged.toml", "flip_angles_deg = [", "not valid TOML"),
        ("damaged.json", "{", "not valid JSON"),
        ("list.json", "[1]", "expected settings by name"),
        ("empty.csv", "", "found no rows"),
        ("short.json", '{"flip_angles_deg": [10]}', "no `repetition_times_ms` in it"),
    ],
)
def test_unusable_files_are_refused_in_a_sentence(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(FileError, match=message):
        load_sequence(tmp_path / name)
