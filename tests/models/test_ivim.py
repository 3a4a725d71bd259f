"""Choices of the IVIM model: its two forms and the order of its pools."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from raofit.core.errors import RaofitError
from raofit.models import IVIM

B_VALUES = [0, 10, 50, 200, 800]


def test_forms_agree_when_d_star_is_the_sum():
    added = IVIM(B_VALUES).signal(np.array([1.1, 0.2, 1e-3, 40e-3]))
    total = IVIM(B_VALUES, form="total").signal(np.array([1.1, 0.2, 1e-3, 41e-3]))
    np.testing.assert_allclose(added, total, rtol=1e-6)


def test_parameter_names_say_which_form():
    assert IVIM(B_VALUES).parameter_names == ("S0", "f", "D_slow", "D_fast")
    assert IVIM(B_VALUES, form="total").parameter_names == ("S0", "f", "D_slow", "D_star")


def test_swapped_pools_are_named_by_speed():
    model = IVIM(B_VALUES, form="total")
    canonical = model.canonical(jnp.array([1.0, 0.8, 40e-3, 1e-3]))
    np.testing.assert_allclose(canonical, [1.0, 0.2, 1e-3, 40e-3], rtol=1e-6)


def test_b_values_may_come_in_any_order_and_repeat():
    tissue = np.array([1.0, 0.3, 1.7e-3, 80e-3])
    sorted_signal = IVIM([0, 50, 50, 200]).signal(tissue)
    np.testing.assert_array_equal(IVIM([50, 200, 0, 50]).signal(tissue), np.asarray(sorted_signal)[[1, 3, 0, 2]])


def test_gradient_exists_where_a_pool_is_empty():
    with jax.enable_x64(True):
        gradient = jax.grad(lambda p: IVIM(B_VALUES).voxel_signal(p).sum())(jnp.array([1.0, 0.0, 0.0, 0.0]))
    assert np.all(np.isfinite(gradient))


def test_unknown_form_is_refused():
    with pytest.raises(RaofitError, match='"added"'):
        IVIM(B_VALUES, form="sum")
