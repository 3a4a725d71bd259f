"""Protocols from files, lists and sidecars."""

import json
import re

import numpy as np
import pytest

from raofit.core.errors import FileError, ProtocolError
from raofit.io.listed_settings import LISTED, read_listed
from raofit.io.protocol_file import series_protocol, stated_protocol


@pytest.mark.parametrize(
    "text",
    [
        "12.8ms,25.6ms",
        "12.8ms 25.6ms",
        "0.0128,0.0256",
        "0.0128s, 0.0256s",
        "12800us,25600µs",
        "12800\u03bcs,25.6ms",
        "12800us,25600\u03bcs",
        "12.8e-3;25.6e-3",
    ],
)
def test_lists_of_times(text):
    np.testing.assert_allclose(read_listed(text, LISTED["echo_times"]), [0.0128, 0.0256], rtol=1e-12)


def test_a_list_longer_than_a_file_name_may_be():
    assert read_listed(",".join(["0.0125"] * 100), LISTED["echo_times"]).size == 100


def test_files_of_times(tmp_path):
    path = tmp_path / "te.txt"
    path.write_text("0.0128\n0.0256\n")
    np.testing.assert_array_equal(read_listed(str(path), LISTED["echo_times"]), [0.0128, 0.0256])


@pytest.mark.parametrize(
    "content",
    [
        {"EchoTime": [0.0128, 0.0256]},
        {"EchoTime": ["0.0128", "0.0256"], "RepetitionTime": 2.0},
        {"volumes": [{"EchoTime": 0.0128}, {"EchoTime": 0.0256}]},
    ],
)
def test_sidecars(tmp_path, content):
    path = tmp_path / "mese.json"
    path.write_text(json.dumps(content))
    np.testing.assert_array_equal(read_listed(str(path), LISTED["echo_times"]), [0.0128, 0.0256])


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("12.8,25.6", ProtocolError, r"25\.6 s is too long for an echo time.*write 25\.6ms or divide by 1000"),
        ("10ms,-3ms", ProtocolError, "expected finite times"),
        ("10ms,2xms", ProtocolError, "'2xms': expected a number of seconds"),
        ("missing.txt", FileError, "no such file; expected a file of times"),
        ("missing.json", FileError, "no such file; expected a JSON sidecar"),
    ],
)
def test_unusable_times(text, error, words):
    with pytest.raises(error, match=words):
        read_listed(text, LISTED["echo_times"])


def test_a_list_longer_than_a_file_name():
    np.testing.assert_allclose(read_listed("12.8ms," * 60, LISTED["echo_times"]), [0.0128] * 60)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"EchoTime": ["soon"]}', r"a\.json: echo time 'soon': expected a number of seconds"),
        ('{"EchoTime": {"a": 1}}', r"a\.json: echo time \"{'a': 1}\": expected a number"),
        ("[" * 500 + "]" * 500, r"a\.json: expected the key `EchoTime`"),
    ],
)
def test_sidecars_of_something_else(tmp_path, content, words):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises((FileError, ProtocolError), match=words):
        read_listed(str(tmp_path / "a.json"), LISTED["echo_times"])


def test_a_sidecar_without_echo_times(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"RepetitionTime": 2}')
    with pytest.raises(FileError, match="expected the key `EchoTime`"):
        read_listed(str(path), LISTED["echo_times"])
    path.write_text("{not json")
    with pytest.raises(FileError, match="not valid JSON"):
        read_listed(str(path), LISTED["echo_times"])


def test_b_values_beside_the_image(tmp_path):
    (tmp_path / "dwi.bval").write_text("0 100")
    protocol = series_protocol(["b_values"], [tmp_path / "dwi.nii.gz"], 2, bval=None, te=None)
    np.testing.assert_array_equal(protocol["b_values"], [0, 100])
    with pytest.raises(FileError, match=r"give them with --bval FILE \(there is no t2\.bval"):
        series_protocol(["b_values"], [tmp_path / "t2.nii"], 2, bval=None, te=None)


def test_echo_times_beside_each_image(tmp_path):
    images = []
    for echo, time in enumerate([0.01, 0.02]):
        images.append(tmp_path / f"echo-{echo}.nii.gz")
        (tmp_path / f"echo-{echo}.json").write_text(json.dumps({"EchoTime": time}))
    np.testing.assert_array_equal(
        series_protocol(["echo_times"], images, 2, bval=None, te=None)["echo_times"], [0.01, 0.02]
    )


def test_wrong_count_names_the_list(tmp_path):
    with pytest.raises(ProtocolError, match=r"10ms,20ms has 2 echo times but .*a\.nii has 3 volumes"):
        series_protocol(["echo_times"], [tmp_path / "a.nii"], 3, bval=None, te="10ms,20ms")


def test_settings_must_be_stated_without_an_image():
    with pytest.raises(ProtocolError, match="b-values are missing; give them with --bval"):
        stated_protocol(["b_values"], bval=None, te=None)
    with pytest.raises(ProtocolError, match="echo times are missing; give them with --te"):
        stated_protocol(["echo_times"], bval=None, te=None)


@pytest.fixture
def trains(tmp_path):
    path = tmp_path / "trains.toml"
    path.write_text("flip_angles_rad = [3.1, 0.2, 0.4]\npulse_durations_s = 2e-4\n")
    return path


@pytest.mark.parametrize("tr", ["3.5ms", "0.0035", "3500us", " 3.5e-3s "])
def test_pulse_trains_with_their_repetition_time(trains, tr):
    fields = ["flip_angles", "pulse_durations", "repetition_time"]
    protocol = stated_protocol(fields, trains=trains, tr=tr)
    assert list(protocol) == fields
    assert protocol["repetition_time"] == pytest.approx(3.5e-3)
    np.testing.assert_array_equal(protocol["flip_angles"], [[3.1, 0.2, 0.4]])


@pytest.mark.parametrize(
    ("tr", "words"),
    [
        (None, "does not say the repetition time; give it with --tr"),
        ("soon", "--tr soon: expected a time in seconds, or one with a unit as 3.5ms"),
        ("3.5 lightyears", "--tr 3.5 lightyears: expected a time"),
        ("0ms", "--tr 0ms: expected a repetition time > 0 s"),
        ("-1", "--tr -1: expected a repetition time > 0 s"),
        ("nan", "--tr nan: expected a repetition time > 0 s"),
        ("0.1ms", "longer than the longest pulse"),
    ],
)
def test_repetition_times_that_cannot_be(trains, tr, words):
    with pytest.raises(ProtocolError, match=re.escape(words)):
        stated_protocol(["flip_angles", "pulse_durations", "repetition_time"], trains=trains, tr=tr)


def test_trains_must_be_given():
    with pytest.raises(ProtocolError, match="the flip-angle trains are missing; give them with --trains FILE"):
        stated_protocol(["flip_angles", "pulse_durations", "repetition_time"], bval=None, te=None)


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("inversion_times", "50ms,4000ms", [0.05, 4.0]),
        ("flip_angles", "3,20", np.deg2rad([3, 20])),
        ("flip_angles", "3deg 20°", np.deg2rad([3, 20])),
        ("refocusing_angles", "160", np.deg2rad([160])),
        ("repetition_time", "15ms", [0.015]),
    ],
)
def test_times_in_seconds_and_angles_in_radians(field, text, expected):
    np.testing.assert_allclose(read_listed(text, LISTED[field]), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("inversion_times", "50,4000", "4000 s is too long for an inversion time; if it is in milliseconds, write"),
        ("inversion_times", "0.5,-1", "expected finite times ≥ 0 s, found [0.5, -1.0]"),
        ("flip_angles", "3,-20", "expected finite angles ≥ 0°, found [3.0, -20.0]"),
        ("flip_angles", "0.05,0.35", "0.35° is too small for the largest flip angle; if it is in radians, multiply by"),
        ("flip_angles", "3,2000", "2000° is too large for a flip angle"),
        ("flip_angles", "3,20ms", "flip angle '20ms': expected a number of degrees"),
        ("repetition_time", "soon", "no such file; expected a file of times in seconds, or a list such as 15ms"),
        ("repetition_time", "100", "100 s is too long for a repetition time"),
    ],
)
def test_unusable_times_and_angles(field, text, words):
    with pytest.raises((ProtocolError, FileError), match=re.escape(words)):
        read_listed(text, LISTED[field])


def test_settings_of_a_series_from_its_sidecars(tmp_path):
    images = [tmp_path / f"flip-{index}_VFA.nii.gz" for index in (1, 2)]
    for image, angle in zip(images, (3, "20"), strict=True):
        content = {"FlipAngle": angle, "RepetitionTimeExcitation": 0.015, "RepetitionTime": 2.0}
        image.with_name(image.name.replace(".nii.gz", ".json")).write_text(json.dumps(content))
    protocol = series_protocol(["flip_angles", "repetition_time"], images, 2, bval=None, te=None)
    np.testing.assert_allclose(protocol["flip_angles"], np.deg2rad([3, 20]))
    np.testing.assert_array_equal(protocol["repetition_time"], [0.015, 0.015])
    with pytest.raises(FileError, match=r"no `InversionTime` in it; give the inversion times with --ti"):
        series_protocol(["inversion_times"], images, 2, bval=None, te=None)


def test_one_refocusing_angle_or_repetition_time_stands_for_all(tmp_path):
    image = [tmp_path / "a.nii"]
    fields = ["refocusing_angles", "repetition_time"]
    protocol = series_protocol(fields, image, 3, bval=None, te=None, tr="15ms")
    np.testing.assert_array_equal(protocol["refocusing_angles"], [np.pi] * 3)
    np.testing.assert_array_equal(protocol["repetition_time"], [0.015] * 3)
    with pytest.raises(ProtocolError, match=r"160,170 has 2 refocusing angles but .*a\.nii has 3 volumes"):
        series_protocol(fields, image, 3, bval=None, te=None, tr="15ms", refocusing="160,170")


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("inversion_times", "the inversion times are missing; give them with --ti"),
        ("flip_angles", "the flip angles are missing; give them with --flip, as a file or as 3,20"),
        ("repetition_time", "the repetition time is missing; give it with --tr, as a file or as 15ms"),
    ],
)
def test_settings_of_relaxometry_must_be_stated(field, words):
    with pytest.raises(ProtocolError, match=words):
        stated_protocol([field])
