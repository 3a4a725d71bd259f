"""`raofit map` with a dictionary: maps of magnitudes and coefficients, the file it keeps, and the faults of grids."""

import json
import re
import types

import numpy as np
import pytest

from raofit import DictionaryMatching, ParameterGrid, crb, load_dictionary, save_dictionary, svd_basis
from raofit.cli._map_dictionary import open_dictionary
from raofit.cli._map_estimator import in_units_of_sigma
from raofit.core.errors import RaofitError
from raofit.core.status import Status
from raofit.models import MRFFISP, Compressed, FunctionModel, MonoExponentialT2, MonoExponentialT2Star, Parameter
from raofit.noise import ComplexGaussian, Gaussian, Rician
from tests.cli.helpers import entries, load, run, save
from tests.estimators.complex_toy import Echoes
from tests.io.matlab_files import write_v5

SHAPE = (8, 7, 2)
SIGMA = 5.0
ECHO_TIMES = [0.01, 0.03, 0.06, 0.1, 0.2]
T2 = ["--model", "t2", "--te", "10ms,30ms,60ms,100ms,200ms", "--noise", "gaussian", "--sigma", SIGMA]
MAPS = ["S0", "S0_std", "T2", "T2_std", "relative_residual", "residual", "status"]


@pytest.fixture
def scan(tmp_path):
    """A scan of mono-exponential decays with Gaussian noise, and its true T2."""
    generator = np.random.default_rng(0)
    truth = generator.uniform(0.04, 0.15, SHAPE)
    parameters = np.stack([np.full(SHAPE, 500.0), truth], axis=-1)
    signal = np.asarray(MonoExponentialT2(ECHO_TIMES).signal(parameters))
    save(tmp_path / "t2.nii.gz", (signal + generator.normal(0, SIGMA, signal.shape)).astype(np.float32))
    return tmp_path, parameters


def test_maps_of_magnitudes_with_the_default_grid(scan, capsys):
    folder, parameters = scan
    code, _, err = run(
        capsys, "map", folder / "t2.nii.gz", *T2, "--estimator", "dictionary", "--out", folder / "out"
    )  # fmt: skip
    assert code == 0
    assert "dictionary of 1000 atoms (T2 0.00632 to 0.632 s in 1000 values)" in err  # 20 to 200 ms, and √10 beyond
    assert [name[:-7] for name in entries(folder / "out") if name.endswith(".nii.gz")] == MAPS
    settings = json.loads((folder / "out" / "raofit.json").read_text())["Settings"]
    assert settings["Estimator"] == "dictionary"
    assert settings["EstimatorSettings"]["Atoms"] == 1000
    np.testing.assert_allclose(settings["Bounds"]["T2"], [0.02 / np.sqrt(10), 0.2 * np.sqrt(10)])
    assert np.all(load(folder / "out" / "status.nii.gz")[:] <= Status.MISFIT)
    bound = np.sqrt(crb(MonoExponentialT2(ECHO_TIMES), parameters, Gaussian(SIGMA)))
    for index, name in enumerate(("S0", "T2")):
        error = load(folder / "out" / f"{name}_std.nii.gz")
        np.testing.assert_allclose(error, bound[..., index], rtol=0.3)  # T2 itself is known to 3 %
        # mean square of 112 standardized errors: 1 within five of its standard deviation √(2/112)
        score = (load(folder / "out" / f"{name}.nii.gz") - parameters[..., index]) / error
        assert np.mean(score**2) == pytest.approx(1.0, abs=5 * np.sqrt(2 / score.size))
    residual = load(folder / "out" / "residual.nii.gz")
    assert residual.mean() == pytest.approx(1.0, abs=5 * np.sqrt(2 / 3 / residual.size))


def test_a_dictionary_file_is_made_once_and_used_again(scan, capsys):
    folder, _ = scan
    tokens = ["map", folder / "t2.nii.gz", *T2, "--no-residual", "--dictionary", folder / "atoms.h5"]
    assert run(capsys, *tokens, "--grid", "T2=0.01:1:80:log", "--out", folder / "made")[0] == 0
    np.testing.assert_array_equal(load_dictionary(folder / "atoms.h5").grid.axes["T2"], np.geomspace(0.01, 1, 80))
    before = (folder / "atoms.h5").read_bytes()
    code, _, err = run(capsys, *tokens, "--out", folder / "used")
    assert code == 0
    assert re.search(r"dictionary of 80 atoms \(.*\), from .*atoms\.h5", err.replace("\n", " "))
    assert (folder / "atoms.h5").read_bytes() == before
    for name in ("S0", "T2", "T2_std", "status"):
        np.testing.assert_array_equal(
            load(folder / "made" / f"{name}.nii.gz"), load(folder / "used" / f"{name}.nii.gz")
        )


PULSES = 30
FISP = MRFFISP(np.radians(10 + 50 * np.sin(np.pi * np.arange(PULSES) / 15) ** 2), 0.012, inversion_time=0.02, b1=1.0)


@pytest.fixture(scope="module")
def fingerprints(tmp_path_factory):
    """Coefficients of a short FISP train, their basis and train as files, and the true T1 and T2."""
    folder = tmp_path_factory.mktemp("fisp")
    generator = np.random.default_rng(1)
    truth = np.stack([generator.uniform(0.6, 2.0, (6, 5)), generator.uniform(0.05, 0.2, (6, 5))], axis=-1)
    basis = svd_basis(np.asarray(FISP.signal(truth.reshape(-1, 2))), 5)
    signal = 40.0 * np.exp(0.7j) * np.asarray(Compressed(FISP, basis).signal(truth))
    noise = 0.1 * generator.normal(size=(2, *signal.shape))
    write_v5(folder / "coeffs.mat", x=signal + noise[0] + 1j * noise[1], mask=np.ones(truth.shape[:2]))
    write_v5(folder / "basis.mat", U=basis)
    angles = ", ".join(str(float(angle)) for angle in np.degrees(FISP.flip_angles))
    (folder / "train.toml").write_text(
        f"flip_angles_deg = [{angles}]\nrepetition_times_ms = 12.0\ninversion_time_ms = 20.0\n"
    )
    return folder, truth, basis


def test_maps_of_coefficients(fingerprints, capsys, tmp_path):
    """At SNR 400 standard errors are half a step of the grid or more, 7 %, and the errors are no larger."""
    folder, truth, basis = fingerprints
    command = ["map", folder / "coeffs.mat", "--model", "mrf-fisp-known-b1", "--trains", folder / "train.toml"]
    command += ["--sigma", 0.1, "--dictionary", tmp_path / "atoms.h5"]
    grid = "T1=0.2:4:45:log,T2=0.02:0.5:48:log"
    code, _, err = run(
        capsys, *command, "--basis", folder / "basis.mat", "--grid", grid, "--out", tmp_path / "out"
    )  # fmt: skip
    assert code == 0, err
    atoms = load_dictionary(tmp_path / "atoms.h5").atoms
    assert len(atoms.grid) == np.count_nonzero(np.geomspace(0.02, 0.5, 48) < np.geomspace(0.2, 4, 45)[:, None])
    names = ("T1", "T1_std", "T2", "T2_std", "M0", "M0_phase")
    maps = {name: load(tmp_path / "out" / f"{name}.nii.gz")[..., 0] for name in names}
    for index, name in enumerate(("T1", "T2")):
        # mean square of 30 standardized errors: 1 within five of its standard deviation √(2/30)
        score = (maps[name] - truth[..., index]) / maps[f"{name}_std"]
        assert np.mean(score**2) == pytest.approx(1.0, abs=5 * np.sqrt(2 / score.size))
        assert np.all(maps[f"{name}_std"] < 0.1 * truth[..., index])
    np.testing.assert_allclose(maps["M0"], 40.0, rtol=0.01)
    np.testing.assert_allclose(maps["M0_phase"], 0.7, atol=0.01)
    write_v5(tmp_path / "basis.mat", U=basis @ np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0])
    code, _, err = run(capsys, *command, "--basis", tmp_path / "basis.mat", "--out", tmp_path / "other")
    assert code == 2
    assert "the dictionary holds coefficients in another basis" in err


def test_one_search_serves_every_sigma():
    """Values, standard errors and M0 are those of a dictionary whose noise has the sigma of each voxel."""
    sigma, toy = np.array([0.02, 0.5]), Echoes()
    grid = ParameterGrid({"R1": np.geomspace(0.2, 4, 9), "R2": np.geomspace(3, 60, 9), "omega0": 5.0})
    t2 = MonoExponentialT2(ECHO_TIMES)
    for model, axes, kind, truth in (
        (toy, grid, ComplexGaussian, [0.9, 12.0, 5.0]),
        (t2, ParameterGrid({"T2": np.geomspace(0.01, 1, 30)}), Rician, [1.0, 0.07]),
    ):
        measurements = sigma[:, None] * 30.0 * np.tile(np.asarray(model.signal(truth)), (2, 1))
        expected = DictionaryMatching(model, axes, kind(sigma)).estimate(measurements)
        found = in_units_of_sigma(DictionaryMatching(model, axes, kind(1.0)))(measurements, sigma, {})
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-9)
        np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-9)
        if model is toy:
            np.testing.assert_allclose(found.diagnostics["amplitude"], expected.diagnostics["amplitude"], rtol=1e-9)


def _options(*grid, t2_below_t1=True):
    return types.SimpleNamespace(dictionary=None, grid=grid, t2_below_t1=t2_below_t1, memory_bytes=1 << 29)


def test_t2_at_or_above_t1_is_left_out_unless_asked_for():
    grid = ("T1=0.1:4:10:log", "T2=0.1:4:10:log")
    assert len(open_dictionary(_options(*grid), FISP)) == 45
    assert len(open_dictionary(_options(*grid, t2_below_t1=False), FISP)) == 100


def test_what_the_options_leave_out_has_its_default_and_a_value_fixes():
    found = open_dictionary(_options("B1=0.9"), MRFFISP(FISP.flip_angles, 0.012))
    assert found.names == ("T1", "T2", "B1")
    assert found.shape == (200, 200, 1)
    assert found.is_log == {"T1": True, "T2": True, "B1": False}


def test_four_unknown_parameters_are_too_many_for_a_default_grid():
    names = ("a", "b", "c", "d")
    parameters = [Parameter(name, "1", (0.0, 2.0), (0.5, 1.0), name, "made up") for name in names]
    parameters.append(Parameter("S0", "1", (0.0, np.inf), (0.5, 1.0), "S", "amplitude", is_amplitude=True))
    model = FunctionModel(lambda values, gains: values[4] * gains, parameters, {"gains": [1.0, 2.0]}, name="made-up")
    with pytest.raises(RaofitError, match="has 4 parameters, too many for a grid of all of them: give --grid NAME=V"):
        open_dictionary(_options(), model)
    assert open_dictionary(_options("a=1"), model).shape == (1, 50, 50, 50)


TRAIN = ("--model", "t2-epg-t1", "--te", "10ms,20ms,30ms,40ms,50ms")


def wrong(name, *options):
    return pytest.param(options[:-1], options[-1], id=name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        wrong("no count", "--grid", "T2=0.1:1", r"--grid T2=0\.1:1: expected NAME=LOWER:UPPER:COUNT, .* T1=0\.1:4:60"),
        wrong("no name", "--grid", "0.1:1:10", r"expected NAME=LOWER:UPPER:COUNT"),
        wrong("one value and log", "--grid", "T2=0.1:log", r"expected NAME=LOWER:UPPER:COUNT"),
        wrong("words", "--grid", "T2=a:1:10", r"--grid T2=a:1:10: expected a number, found 'a'"),
        wrong("a fraction", "--grid", "T2=0.1:1:1.5", r"expected NAME=LOWER:UPPER:COUNT"),
        wrong("one of a range", "--grid", "T2=0.1:1:1", r"expected LOWER below UPPER and two values or more"),
        wrong("reversed", "--grid", "T2=1:0.1:10", r"expected LOWER below UPPER"),
        wrong("NaN", "--grid", "T2=nan:1:10", r"expected LOWER below UPPER"),
        wrong("infinite", "--grid", "T2=0.1:inf:10", r"expected finite values"),
        wrong("log of zero", "--grid", "T2=0:1:10:log", r"equal ratios need LOWER > 0, got 0; leave :log out"),
        wrong("unknown", "--grid", "T1=0.1:1:10", r"grid: `T1` is not a parameter of model `t2`; give values for T2"),
        wrong("amplitude", "--grid", "T2=0.1,S0=1", r"grid: the amplitude `S0` follows from the match"),
        wrong("milliseconds", "--grid", "T2=10:100:20", r"expected `T2` from 0\.001 to 5 s \(its bounds\), got 10 to"),
        wrong("too large", "--grid", "T2=0.1:1:100000000", r"100000000 atoms of 5 measurements take \d+ MB"),
        wrong("another estimator", "--estimator", "mle", "--grid", "T2=0.1:1:9", r"are for --estimator dictionary, f"),
        wrong("bounds", "--grid", "T2=0.1:1:9", "--bounds", "T2=0.1:1", r"--bounds: the limits of a dictionary are th"),
        wrong("network", "--grid", "T2=0.1:1:9", "--network", "n.raofit", r"--network: a dictionary takes no network"),
        wrong("order", *TRAIN, "--grid", "T1=0.1,T2=0.2:1:9,B1=1", r"no T2 lies below any T1; correct"),
        wrong("no dictionary", "--dictionary", "FOLDER/t2.nii.gz", r"this is not an HDF5 file; .*: give"),
        wrong("another protocol", "--dictionary", "FOLDER/te.h5", r"for another protocol \(`echo_times` differs"),
        wrong("another model", "--dictionary", "FOLDER/star.h5", r"the dictionary is of the model `t2star` .*: give"),
        wrong("truncated", "--dictionary", "FOLDER/cut.h5", r"is damaged or cut short .*: give --dictionary"),
        wrong("another grid", "--dictionary", "FOLDER/ok.h5", "--grid", "T2=0.1:1:9", r"another grid \(20 atoms: T2 0"),
    ],
)  # fmt: skip
def test_faults(capsys, dictionaries, options, words):
    before = entries(dictionaries)
    options = [option.replace("FOLDER", str(dictionaries)) for option in options]
    given = [] if "--model" in options else T2
    code, out, err = run(capsys, "map", dictionaries / "t2.nii.gz", *given, *options, "--out", dictionaries / "out")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(words, err), err
    assert entries(dictionaries) == before


@pytest.fixture(scope="module")
def dictionaries(tmp_path_factory):
    """Dictionaries that do not fit a scan, and one that does."""
    folder = tmp_path_factory.mktemp("dictionaries")
    save(folder / "t2.nii.gz", np.ones((*SHAPE, 5), np.float32))
    values = np.geomspace(0.01, 1.0, 20)
    for name, model, parameter in (
        ("ok", MonoExponentialT2(ECHO_TIMES), "T2"),
        ("te", MonoExponentialT2([*ECHO_TIMES[:-1], 0.21]), "T2"),
        ("star", MonoExponentialT2Star(ECHO_TIMES), "T2star"),
    ):
        save_dictionary(folder / f"{name}.h5", DictionaryMatching(model, ParameterGrid({parameter: values})))
    content = (folder / "ok.h5").read_bytes()
    (folder / "cut.h5").write_bytes(content[: int(0.7 * len(content))])
    return folder
