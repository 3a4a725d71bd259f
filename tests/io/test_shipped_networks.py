"""The networks that come with the package: small, complete, with their card, and found by name."""

import pytest

from raofit.core.errors import FileError
from raofit.io.network_file import load_network
from raofit.io.shipped_networks import network_path, shipped_names

MOST_BYTES = 4 << 20


def test_they_are_a_few_megabytes():
    assert sum(network_path(name).stat().st_size for name in shipped_names()) < MOST_BYTES


@pytest.mark.parametrize("name", shipped_names())
def test_each_maps_without_further_files(name):
    network = load_network(name)
    assert network.model.n_measurements == network.network.sizes[0] // 2
    assert network.card["entries"]
    assert network.provenance


@pytest.mark.parametrize("name", shipped_names())
def test_the_intervals_on_each_card_hold_the_truth(name):
    """Measured on 400 truths after the factors were determined on 2000 others: one binomial deviation is 1.1 %."""
    network = load_network(name)
    for entry in network.card["entries"]:
        for figures in entry["parameters"].values():
            assert 0.93 < figures["calibrated_coverage_95"] < 0.97
            assert 0.45 < figures["calibrated_coverage_50"] < 0.55


def test_other_names_are_refused():
    with pytest.raises(FileError, match="qmt-of-nobody: no such file; expected a network written by `raofit train`"):
        network_path("qmt-of-nobody")
    with pytest.raises(FileError, match="no such file"):
        load_network("none.raofit")
