"""Options and protocols of the relaxometry models, and what they refuse."""

import numpy as np
import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models import InversionRecovery, MultiEchoSpinEcho, SpoiledGradientEcho

TIMES = [2.0, 0.1, 4.0, 0.5, 1.0]  # the order of volumes is free


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (
            lambda: InversionRecovery(TIMES, polarity="real"),
            RaofitError,
            'expected "magnitude" or "signed", got \'real\'',
        ),
        (lambda: InversionRecovery(TIMES, 4.0), ProtocolError, "more than the inversion time of 4 s, got 4 s"),
        (lambda: InversionRecovery(TIMES, [5.0, 6.0]), ProtocolError, "or one for each of the 5, got 2"),
        (lambda: InversionRecovery([-0.1, 1.0]), ProtocolError, "expected 0 to 20 s, got -0.1; inversion times in ms"),
        (lambda: SpoiledGradientEcho([0.1], 0.01, b1="map"), RaofitError, 'expected "known" or "free", got \'map\''),
        (lambda: SpoiledGradientEcho([3, 20], 0.01), ProtocolError, "flip angles in degrees must be multiplied by"),
        (lambda: MultiEchoSpinEcho([0.01, 0.02], t1="long"), RaofitError, "a time > 0 s or \"free\", got 'long'"),
        (lambda: MultiEchoSpinEcho([0.01, 0.02], t1=0.0), RaofitError, 'a time > 0 s or "free", got 0.0'),
        (lambda: MultiEchoSpinEcho([0.02, 0.01]), ProtocolError, "got 0.02, 0.01 s; separate echoes are for"),
        (lambda: MultiEchoSpinEcho([0.01, 0.03, 0.05]), ProtocolError, "1, 2, 3, … times the echo spacing"),
        (lambda: MultiEchoSpinEcho([0.0]), ProtocolError, "1, 2, 3, … times the echo spacing"),
        (lambda: MultiEchoSpinEcho([0.01, 0.02], [3.0] * 3), ProtocolError, "or one for each of the 2, got 3"),
    ],
)
def test_what_cannot_be_is_refused(build, error, words):
    with pytest.raises(error) as caught:
        build()
    assert words in str(caught.value)


def test_rounded_echo_times_are_those_of_a_train():
    assert MultiEchoSpinEcho(np.round(7.18e-3 * np.arange(1, 33), 4)).n_measurements == 32


@pytest.mark.parametrize("degrees", [120.0, 180.0, 270.0])
def test_b1_ends_where_the_refocusing_angle_reaches_half_a_turn(degrees):
    parameter = MultiEchoSpinEcho([0.01, 0.02, 0.03], np.deg2rad(degrees)).parameters[2]
    assert parameter.name == "B1"
    assert parameter.bounds[1] == pytest.approx(180.0 / degrees)


@pytest.mark.parametrize("polarity", ["magnitude", "signed"])
@pytest.mark.parametrize("repetition_time", [None, 8.0])
@pytest.mark.parametrize("t1", [0.2, 0.4, 1.3, 3.5])
def test_the_closed_form_finds_the_sign_pattern_of_any_order_of_volumes(polarity, repetition_time, t1):
    """T1 to the 5 % its grid has, whatever the sign pattern is."""
    model = InversionRecovery(TIMES, repetition_time, polarity=polarity)
    found = np.asarray(model.closed_form(model.signal(np.array([700.0, t1, 0.95 if repetition_time else 1.9]))))
    assert found[1] == pytest.approx(t1, rel=0.06)
    # an error of 3 % in T1 moves the others by up to as much
    assert found[[0, 2]] == pytest.approx([700.0, 0.95 if repetition_time else 1.9], rel=0.06)
