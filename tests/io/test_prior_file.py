"""Priors from names and TOML files."""

import numpy as np
import pytest

from raofit.core.errors import FileError, RaofitError
from raofit.io.prior_file import named_prior, read_prior
from raofit.models import IVIM, QMT
from raofit.training import priors
from raofit.training.distributions import LogUniform, TruncatedNormal
from raofit.training.prior import Prior

TR = 3.5e-3
QMT_MODEL = QMT(np.full(10, 0.3), np.full(10, 2e-4), TR)
IVIM_MODEL = IVIM([0, 100, 200, 400])


def _file(folder, text):
    path = folder / "prior.toml"
    path.write_text(text)
    return path


def test_names():
    assert named_prior("typical", IVIM_MODEL) == Prior.typical(IVIM_MODEL)
    assert named_prior("qmt-mao2024", QMT_MODEL) == priors.build("qmt-mao2024", repetition_time=TR)


def test_a_published_prior_changed(tmp_path):
    found = read_prior(_file(tmp_path, 'base = "qmt-tissue"\nRx = {low = 5, high = 40, scale = "log"}\n'), QMT_MODEL)
    expected = priors.build("qmt-tissue", repetition_time=TR)
    assert found == expected.replace({"Rx": LogUniform(5.0, 40.0)})
    assert found != expected


def test_typical_ranges_changed(tmp_path):
    found = read_prior(_file(tmp_path, "f = {center = 0.2, sd = 0.1, low = 0, high = 0.5}\nS0 = 1.0\n"), IVIM_MODEL)
    assert found.names == IVIM_MODEL.parameter_names
    assert found.distributions[1] == TruncatedNormal(0.2, 0.1, 0.0, 0.5)
    assert found.ranges[0] == (1.0, 1.0)


MIXTURE = """
[mixture.tissue]
weight = 3
parameters = {D_fast = {low = 0.01, high = 0.1}, f = {low = 0.1, high = 0.3}, D_slow = 1e-3, S0 = 1}
[mixture.fluid]
weight = 1
parameters = {S0 = 1, f = 0.0, D_slow = 3e-3, D_fast = 0.05}
"""


def test_a_mixture_in_any_order(tmp_path):
    found = read_prior(_file(tmp_path, MIXTURE), IVIM_MODEL)
    assert found.component_names == ("tissue", "fluid")
    assert found.names == IVIM_MODEL.parameter_names
    np.testing.assert_allclose(found.shares, [0.75, 0.25])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f = {low = ", "not valid TOML"),
        ('base = "nobody"', r"prior\.toml: prior nobody: expected typical, qmt-tissue"),
        ('base = "qmt-mao2024"', "it is for pulse trains, and the model `ivim` has none"),
        ("g = 1.0", r"prior\.toml: prior: `g` is not a parameter; the prior has S0, f"),
        ("f = {low = 0.3, high = 0.1}", r"prior\.toml: prior of `f`: expected finite low < high"),
        ("f = {lo = 0.3}", r"prior\.toml: prior of `f`: expected a number"),
        ('f = "x"', r"prior\.toml: prior of `f`: expected"),
        ("[mixture.tissue]\nweight = 1", r"prior\.toml: expected `weight` and a table `parameters`"),
        ("[mixture]\ntissue = 1", r"prior\.toml: expected `weight` and a table `parameters`"),
        (MIXTURE.replace("weight = 3", "weight = 0"), r"expected a weight > 0 for `tissue`"),
        (MIXTURE.replace("weight = 3", 'weight = "x"'), r"prior\.toml: expected `weight`"),
    ],
)
def test_what_is_no_prior(tmp_path, text, words):
    with pytest.raises(FileError, match=words):
        read_prior(_file(tmp_path, text), IVIM_MODEL)


def test_missing_names_and_files(tmp_path):
    with pytest.raises(FileError, match="no such file; expected a prior in TOML"):
        read_prior(tmp_path / "none.toml", IVIM_MODEL)
    with pytest.raises(RaofitError, match="prior nobody: expected typical"):
        named_prior("nobody", IVIM_MODEL)
