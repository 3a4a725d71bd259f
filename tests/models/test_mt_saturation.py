"""MT saturation: the formulas of Helms 2008 of three volumes, the limit without MT, and protocols it refuses."""

import json

import jax
import nibabel
import numpy as np
import pytest

from raofit.core.errors import ProtocolError
from raofit.models import MTSaturation, SpoiledGradientEcho

ANGLES = np.deg2rad([6.0, 6.0, 20.0])
TIMES = np.array([28e-3, 28e-3, 18e-3])
STATES = [1, 0, 0]


def helms(weighted, density, t1_weighted):
    """S0, T1 and MTsat by eqs. 7 to 9 of Helms 2008, transcribed."""
    (small, _, large), (long, _, short) = ANGLES, TIMES
    amplitude = density * t1_weighted * (long * large / small - short * small / large)
    amplitude /= t1_weighted * long * large - density * short * small
    rate = 0.5 * (t1_weighted * large / short - density * small / long) / (density / small - t1_weighted / large)
    return amplitude, 1 / rate, 100 * ((amplitude * small / weighted - 1) * rate * long - small**2 / 2)


def test_the_closed_form_of_three_volumes_is_that_of_helms():
    with jax.enable_x64(True):
        model = MTSaturation(ANGLES, TIMES, STATES)
        for measurement in ([250.0, 520.0, 430.0], [30.0, 45.0, 52.0]):
            np.testing.assert_allclose(model.closed_form(np.array(measurement)), helms(*measurement), rtol=1e-10)


def test_the_closed_form_is_exact_without_noise_for_any_number_of_volumes():
    with jax.enable_x64(True):
        model = MTSaturation(np.deg2rad([4.0, 6.0, 20.0, 10.0, 8.0]), 25e-3, [0, 1, 0, 0, 1])
        truth = np.array([1700.0, 1.3, 2.7])
        np.testing.assert_allclose(model.closed_form(model.signal(truth)), truth, rtol=1e-9)


def test_without_mt_it_is_the_spoiled_gradient_echo_to_second_order():
    """Both signals are S0·α·r/(α²/2 + r)·(1 + O(α², r)), r = TR/T1: half the deviation at half of α² and r."""
    with jax.enable_x64(True):
        deviations = []
        for scale in (1.0, 0.5):
            angles, times = np.sqrt(scale) * ANGLES, scale * TIMES
            exact = SpoiledGradientEcho(angles, times).signal(np.array([1.0, 1.0]))
            rational = MTSaturation(angles, times, STATES).signal(np.array([1.0, 1.0, 0.0]))
            deviations.append(np.abs(rational / exact - 1))
        assert deviations[0].max() < 0.02
        np.testing.assert_allclose(deviations[1] / deviations[0], 0.5, atol=0.02)


def test_public_data_have_the_values_that_come_with_them(shared_data):
    folder = shared_data / "qmrust"
    probes = json.loads((folder / "mt_sat.json").read_text())["probes"]
    image = np.asarray(nibabel.load(folder / "mt_sat.nii.gz").dataobj)
    with jax.enable_x64(True):
        model = MTSaturation(ANGLES, TIMES, STATES)
        for probe in probes:
            found = model.closed_form(np.float64(image[probe["x"], probe["y"], 0]))
            expected = [probe["expected"][key] for key in ("T1", "MTSAT")]
            np.testing.assert_allclose(found[1:], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([0, 0, 0], "expected a volume with the MT pulse, and two without that differ"),
        ([1, 1, 0], "expected a volume with the MT pulse, and two without that differ"),
        ([0, 0, 1], "expected a volume with the MT pulse, and two without that differ"),
        ([0.5, 0, 0], "expected 0 or 1 for each volume"),
        ([2, 0, 0], "1 stands for a volume with the MT pulse"),
        ([1, 0], "one for each of the 3, got 2"),
    ],
)
def test_protocols_that_say_nothing_about_mt_are_refused(states, words):
    with pytest.raises(ProtocolError, match=words):
        MTSaturation(ANGLES, TIMES, states)
