"""Several devices in one process, and any number of threads: the values of one device and thread, to the bit."""

import hashlib
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from raofit.estimators._batches import on_device
from raofit.estimators.maximum_likelihood import MaximumLikelihood
from raofit.models import MonoExponentialADC
from raofit.noise import Gaussian
from tests.estimators.untrained import untrained

MODEL = MonoExponentialADC([0, 200, 500, 1000])
SCRIPT = "from tests.estimators.test_devices import digests; import jax; print(len(jax.local_devices()), *digests())"


def digests():
    """Hashes of the estimates of maximum likelihood and of a network, in several batches each."""
    generator = np.random.default_rng(0)
    truths = np.stack([np.ones(8200), generator.uniform(0.5e-3, 2e-3, 8200)], axis=-1)
    measured = np.exp(-truths[:, 1:] * MODEL.protocol["b_values"]) + 0.05 * generator.normal(size=(8200, 4))
    measured = np.abs(measured).astype(np.float32)
    estimators = MaximumLikelihood(MODEL, Gaussian(0.05)), untrained(MODEL)
    estimates = [estimator.estimate(measured) for estimator in estimators]
    arrays = [(found.values, found.standard_errors, found.status) for found in estimates]
    return [hashlib.sha256(b"".join(array.tobytes() for array in group)).hexdigest() for group in arrays]


def _elsewhere(n_devices, n_threads):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={n_devices}"
    threads = str(n_threads)
    environment = os.environ | {
        "XLA_FLAGS": flags, "NPROC": threads, "RAOFIT_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path),
    }  # fmt: skip
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found_devices, *found = done.stdout.split()
    assert int(found_devices) == n_devices
    return found


def test_two_devices_and_one_thread_give_the_bits_of_one_device():
    assert _elsewhere(2, 1) == digests()


@pytest.mark.slow
@pytest.mark.parametrize(("n_devices", "n_threads"), [(4, 2), (1, 1), (1, 3), (1, 8)])
def test_any_number_of_devices_and_threads_gives_the_same_bits(n_devices, n_threads):
    assert _elsewhere(n_devices, n_threads) == digests()


def test_devices_take_turns(monkeypatch):
    devices, before = ["first", "second"], jax.config.jax_default_device
    monkeypatch.setattr(jax, "local_devices", lambda: devices[:1])
    with on_device(1):  # one device: JAX chooses, as without us
        assert jax.config.jax_default_device is before
    entered = []
    monkeypatch.setattr(jax, "local_devices", lambda: devices)
    monkeypatch.setattr(jax, "default_device", entered.append)
    for number in range(3):
        on_device(number)
    assert entered == ["first", "second", "first"]
