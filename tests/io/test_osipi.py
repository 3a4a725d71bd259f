"""raofit inside the interface of the OSIPI collection; the base class here stands in for theirs."""

import importlib.util
import json
import pickle
import sys
import types

import joblib
import numpy as np
import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.io import osipi
from raofit.io.osipi import OsipiAlgorithm, write_osipi_algorithm
from raofit.models import IVIM

B_VALUES = np.array([0.0, 10.0, 20.0, 50.0, 100.0, 200.0, 400.0, 800.0])
TISSUES = {"f": [0.1, 0.3], "Dp": [0.03, 0.05], "D": [0.001, 0.0015]}


class Base:
    """Keeps what it is given, or has defaults, as theirs does."""

    def __init__(self, bvalues=None, thresholds=None, bounds=None, initial_guess=None):
        self.bvalues = None if bvalues is None else np.asarray(bvalues)
        self.bounds = self.osipi_bounds = bounds or {"S0": [0.7, 1.3], "f": [0, 1], "Dp": [0.005, 0.2], "D": [0, 0.005]}
        self.initial_guess = initial_guess or {"S0": 1, "f": 0.1, "Dp": 0.01, "D": 0.001}
        self.thresholds, self.use_bounds = thresholds, None


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
    """Their silly ones, so that estimates end on them; none is beyond, as 0.3 rounded to float32 is."""
    bounds = {"D": (0.0008, 0.0012), "f": (0.2, 0.3), "Dp": (0.01, 0.02), "S0": (1.1, 1.3)}
    lists = tuple([bounds[name][end] for name in ("D", "f", "Dp", "S0")] for end in (0, 1))
    fits = [Algorithm(B_VALUES, bounds=given, noise="gaussian").ivim_fit(signals()[1]) for given in (bounds, lists)]
    assert fits[0] == fits[1]
    for name, value in fits[0].items():
        low, high = bounds[name]
        assert low <= value <= high
    assert fits[0]["f"] == 0.3


def test_it_can_be_pickled_after_a_fit():
    algorithm = Algorithm(B_VALUES, noise="gaussian")
    found = algorithm.ivim_fit(signals()[0])
    assert pickle.loads(pickle.dumps(algorithm)).ivim_fit(signals()[0]) == found


@pytest.mark.slow
def test_negative_values_are_magnitudes_where_noise_is_rician():
    """Blood is dark beyond b = 100, and their signals have Gaussian noise."""
    signal = np.exp(-0.1 * B_VALUES) + 0.001 * np.array([0, 1, -1, 1, -1, 1, -1, -1])
    found = [Algorithm(B_VALUES, noise="rician", sigma=0.01).ivim_fit(values) for values in (signal, np.abs(signal))]
    assert found[0] == found[1]
    assert found[0]["f"] > 0.9


@pytest.mark.slow
def test_two_jobs_of_joblib_agree_with_one():
    algorithm = Algorithm(B_VALUES, noise="gaussian")
    jobs = [joblib.delayed(algorithm.ivim_fit)(row) for row in signals()]
    assert joblib.Parallel(n_jobs=2)(jobs) == [algorithm.ivim_fit(row) for row in signals()]


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
    made = written.RAOFIT_mle(bounds={"f": (0.0, 0.5)}, **listed["RAOFIT_mle"]["options"])
    assert isinstance(made, Base)
    assert made.osipi_bounds == made.bounds == {"f": (0.0, 0.5)}
    assert made.initial_guess["D"] == 0.001
    assert made.use_bounds == dict.fromkeys(("D", "f", "Dp", "S0"), True)
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
