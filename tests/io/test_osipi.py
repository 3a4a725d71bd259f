"""raofit inside the interface of the OSIPI collection; the base class here stands in for theirs."""

import importlib.util
import json
import pickle
import sys
import types

import numpy as np
import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.io import osipi
from raofit.io.osipi import OsipiAlgorithm, write_osipi_algorithm
from raofit.models import IVIM

B_VALUES = np.array([0.0, 10.0, 20.0, 50.0, 100.0, 200.0, 400.0, 800.0])
TISSUES = {"f": [0.1, 0.3], "Dp": [0.03, 0.05], "D": [0.001, 0.0015]}


class Base:
    """Keeps what it is given, as theirs does."""

    def __init__(self, bvalues=None, thresholds=None, bounds=None, initial_guess=None):
        self.bvalues = None if bvalues is None else np.asarray(bvalues)
        self.bounds, self.initial_guess = bounds, initial_guess


class Algorithm(OsipiAlgorithm, Base):
    pass


def signals(scale=1.0):
    rows = np.stack([np.ones(2), TISSUES["f"], TISSUES["D"], TISSUES["Dp"]], axis=-1)
    return scale * np.asarray(IVIM(B_VALUES, form="total").signal(rows))


def test_one_voxel_and_a_volume_agree_and_find_the_truth():
    """Without noise, to the fit's tolerance: 1e-5 of −log L is under 0.5 % of a parameter here."""
    algorithm = Algorithm(noise="gaussian")
    volume = np.full((3, 1, B_VALUES.size), np.nan)
    volume[:2, 0] = signals(scale=700.0)  # as they hand a volume over: not normalized, NaN outside the mask
    maps = algorithm.ivim_fit_full_volume(volume, B_VALUES)
    for index, row in enumerate(signals()):
        fit = algorithm.ivim_fit(row, B_VALUES)
        for name, truth in TISSUES.items():
            assert fit[name] == pytest.approx(truth[index], rel=0.01)
            assert maps[name][index, 0] == pytest.approx(fit[name], rel=1e-3)
            assert maps[name].shape == (3, 1)
            assert maps[name][2, 0] == 0


def test_bounds_are_kept_in_either_form():
    """Silly ones, so that every estimate ends on one; float32."""
    bounds = {"D": (2e-3, 3e-3), "f": (0.4, 0.5), "Dp": (0.1, 0.2), "S0": (0.7, 1.3)}
    lists = tuple([bounds[name][end] for name in ("D", "f", "Dp", "S0")] for end in (0, 1))
    fits = [Algorithm(B_VALUES, bounds=given, noise="gaussian").ivim_fit(signals()[0]) for given in (bounds, lists)]
    assert fits[0] == fits[1]
    for name, value in fits[0].items():
        low, high = bounds[name]
        assert low * (1 - 1e-6) <= value <= high * (1 + 1e-6)


def test_it_can_be_pickled_after_a_fit():
    algorithm = Algorithm(B_VALUES, noise="gaussian")
    found = algorithm.ivim_fit(signals()[0])
    assert pickle.loads(pickle.dumps(algorithm)).ivim_fit(signals()[0]) == found


def test_a_network_of_added_diffusivities_gives_their_sum(monkeypatch):
    class Network:
        def estimate(self, measurements):
            values = {"f": [0.2], "D_slow": [1e-3], "D_fast": [3e-2]}
            return type("Found", (dict,), {"parameter_names": tuple(values)})(
                {name: np.array(value) for name, value in values.items()}
            )

    osipi._estimator.cache_clear()
    monkeypatch.setattr(osipi, "load_network", lambda path: Network())
    monkeypatch.setattr(osipi, "check_protocol", lambda network, protocol: np.arange(B_VALUES.size))
    fit = Algorithm(B_VALUES, network="net.rfn").ivim_fit(signals()[0])
    osipi._estimator.cache_clear()
    assert fit == {"f": 0.2, "Dp": pytest.approx(0.031), "D": 1e-3}


def test_the_written_class_is_one_of_theirs(tmp_path, monkeypatch):
    (tmp_path / "src" / "standardized").mkdir(parents=True)
    listed = json.loads(write_osipi_algorithm(tmp_path, "RAOFIT_mle", noise="gaussian").read_text())
    assert listed["algorithms"] == ["RAOFIT_mle"]
    module = types.ModuleType("src.wrappers.OsipiBase")
    module.OsipiBase = Base
    for name in ("src", "src.wrappers"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "src.wrappers.OsipiBase", module)
    spec = importlib.util.spec_from_file_location("RAOFIT_mle", tmp_path / "src" / "standardized" / "RAOFIT_mle.py")
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)
    made = written.RAOFIT_mle(**listed["RAOFIT_mle"]["options"])
    assert isinstance(made, Base)
    assert made.ivim_fit(signals()[0], B_VALUES)["f"] == pytest.approx(0.1, rel=0.01)
    with pytest.raises(FileError, match="exists"):
        write_osipi_algorithm(tmp_path, "RAOFIT_mle")


def test_faults(tmp_path):
    with pytest.raises(RaofitError, match="expected b-values, got none; give them to"):
        Algorithm().ivim_fit(signals()[0])
    with pytest.raises(RaofitError, match="expected one signal per b-value, got 8 for 3"):
        Algorithm([0, 1, 2]).ivim_fit(signals()[0])
    with pytest.raises(RaofitError, match="expected a Python name"):
        write_osipi_algorithm(tmp_path, "my fit")
    with pytest.raises(RaofitError, match="expected a copy of the collection"):
        write_osipi_algorithm(tmp_path, "RAOFIT")
