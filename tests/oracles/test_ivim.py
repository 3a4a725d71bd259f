"""IVIM and its bound against values that do not come from this package."""

import jax
import numpy as np
import pytest

from raofit.information.crb import crb
from raofit.models import IVIM
from raofit.noise import Gaussian, Rician
from tests import checks
from tests.oracles import formulas

GRID = [(1.0, 0.1, 0.4e-3, 10e-3), (0.8, 0.5, 3e-3, 150e-3), (1.2, 0.25, 1e-3, 40e-3)]


def test_signal_matches_printed_values():
    checks.check_ivim_signal()


@pytest.mark.parametrize("tissue", GRID)
def test_signal_and_jacobian_match_transcription(tissue):
    with jax.enable_x64(True):
        signal, jacobian = IVIM(formulas.PAPER_B_VALUES).signal_and_jacobian(np.array(tissue))
    np.testing.assert_allclose(signal, formulas.ivim_signal(formulas.PAPER_B_VALUES, *tissue), rtol=1e-13)
    np.testing.assert_allclose(jacobian, formulas.ivim_jacobian(formulas.PAPER_B_VALUES, *tissue), rtol=1e-12)


@pytest.mark.parametrize("kind", [Gaussian, Rician])
def test_bound_matches_printed_values(kind):
    checks.check_crb(kind)


@pytest.mark.parametrize("tissue", GRID)
def test_rician_bound_matches_numpy(tissue):
    sigma = 1 / 15
    signal = formulas.ivim_signal(formulas.PAPER_B_VALUES, *tissue)
    information = np.array([formulas.rice_information(value, sigma) for value in signal])
    jacobian = formulas.ivim_jacobian(formulas.PAPER_B_VALUES, *tissue)
    expected = formulas.standard_deviations_of_bound(jacobian, information)
    bound = crb(IVIM(formulas.PAPER_B_VALUES), tissue, Rician(sigma))
    np.testing.assert_allclose(np.sqrt(bound), expected, rtol=1e-6)


def test_paper_protocol_cannot_identify_fast_diffusion():
    """At SNR 15 the attainable standard deviation of D_fast exceeds the prior's own, 140/√12 = 40 e-3 mm²/s."""
    prior_standard_deviation = (150e-3 - 10e-3) / np.sqrt(12)
    bound = crb(IVIM(formulas.PAPER_B_VALUES), checks.TISSUE, Rician(checks.SIGMA))
    assert np.sqrt(bound[3]) > prior_standard_deviation
