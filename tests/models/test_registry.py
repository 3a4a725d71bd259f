"""Building models by name."""

import pytest

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models import build


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(
        RaofitError,
        match=r"`t1`: expected one of adc, ivim, ivim-total, mrf-fisp, .*, qmt-.*, t1-ir, .*, t2, t2-epg, .*t2star",
    ):
        build("t1", {})


@pytest.mark.parametrize("protocol", [{}, {"echo_times": [0.1]}, {"b_values": [0, 1], "echo_times": [0.1]}])
def test_other_protocol_settings_are_refused(protocol):
    with pytest.raises(ProtocolError, match=r"`ivim`: expected the protocol settings b_values, got"):
        build("ivim", protocol)


@pytest.mark.parametrize(
    ("name", "protocol", "words"),
    [
        ("ivim", {"b_values": [0.0, 1e9]}, "s/m² must be divided by 1e6"),
        ("ivim", {"b_values": [-1.0, 5.0]}, "got -1"),
        ("t2", {"echo_times": [12.8, 25.6]}, "ms must be divided by 1000"),
        ("adc", {"b_values": []}, r"expected a list of numbers in s/mm², got shape \(0,\)"),
        ("adc", {"b_values": [[0, 1], [2, 3]]}, r"got shape \(2, 2\)"),
        ("t2", {"echo_times": [0.1, float("nan")]}, "finite"),
    ],
)
def test_implausible_settings_say_how_to_mend_them(name, protocol, words):
    with pytest.raises(ProtocolError, match=words):
        build(name, protocol)
