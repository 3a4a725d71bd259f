"""What the maps promise, counted in simulations: intervals that hold the truth, and marks of a model that is wrong.

    python benchmarks/trust.py --out trust.md             # every table, some 20 minutes on two cores
    python benchmarks/trust.py intervals --models ivim --snr 10,50
    python benchmarks/trust.py networks --seed 1
    python benchmarks/trust.py marks
    python benchmarks/trust.py wrong

Truths are drawn from the typical ranges of each model (S0 = 1), noise is Rician (Gaussian for signed models).
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

import raofit
from raofit import noise as noise_models
from raofit.engine import ResidualCheck
from raofit.evaluation import evaluate, evaluation_grid
from raofit.evaluation.chunks import draw_measurements
from raofit.evaluation.tables import summarize
from raofit.models import AbstractSignalModel, build

B_VALUES = [0.0, 10.0, 20.0, 30.0, 50.0, 80.0, 100.0, 200.0, 400.0, 800.0]
INVERSION_TIMES = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.0]
PROTOCOLS = {
    "ivim": {"b_values": B_VALUES},
    "ivim-total": {"b_values": B_VALUES},
    "adc": {"b_values": [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]},
    "t2": {"echo_times": 0.0128 * np.arange(1, 9)},
    "t2star": {"echo_times": 0.005 * np.arange(1, 9)},
    "t1-ir": {"inversion_times": INVERSION_TIMES},
    "t1-ir-tr": {"inversion_times": INVERSION_TIMES, "repetition_time": 7.0},
    "t1-vfa": {"flip_angles": np.deg2rad([2.0, 5.0, 10.0, 15.0, 20.0, 30.0]), "repetition_time": 0.015},
}
NETWORKS = ("ivim", "t2", "t1-ir")
RATES = (0.02, 0.001)

Row = tuple[str, ...]


def main() -> None:
    """Print the tables the arguments ask for, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="default: all")
    parser.add_argument("--models", default=",".join(PROTOCOLS))
    parser.add_argument("--snr", default="10,20,30,40,50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    snrs = [float(snr) for snr in options.snr.split(",")]
    text = ""
    for name in options.tables or TABLES:
        rows = TABLES[name]([name for name in options.models.split(",") if name], snrs, options.seed)
        for row in rows:
            line = f"| {' | '.join(row)} |"
            print(line, flush=True)
            text += line + "\n"
        text += "\n"
    if options.out is not None:
        options.out.write_text(text)


def interval_rows(names: list[str], snrs: list[float], seed: int) -> Iterator[Row]:
    """Share of intervals of nominal 95 % that hold the truth: ±1.96 SE away from bounds, and by profile likelihood."""
    yield (
        "model",
        "parameter",
        "SNR",
        "±1.96 SE, away from bounds (truths)",
        "±1.96 SE",
        "±1.96 SE, status OK",
        "profile 50, 68, 95 %",
        "least",
    )
    yield ("---",) * 8
    for name, snr in itertools.product(names, snrs):
        model, noise = _case(name, snr)
        grid = evaluation_grid(model, n_values=5)
        n_repeats = max(4, 50_000 // len(grid.points))
        fit = raofit.MaximumLikelihood(model, noise)
        found = summarize(evaluate(fit, model, noise, grid.points, n_repeats, jax.random.key(seed), coverage=True))
        n_fewer = max(1, 12_500 // len(grid.points))
        truths = np.repeat(grid.points, n_fewer, axis=0)
        measured = _measured(model, noise, truths, seed + 1)
        estimate = fit.estimate(measured)
        is_ok = estimate.status == raofit.Status.OK
        held_if_ok = np.mean((np.abs(estimate.values - truths) <= 1.96 * estimate.standard_errors)[is_ok], axis=0)
        shares = {}
        for level in (0.5, 0.68, 0.95):
            ends = raofit.profile_intervals(fit, measured, estimate, level=level)
            is_held = (ends.lower <= truths) & (truths <= ends.upper)
            shares[level] = is_held.reshape(len(grid.points), n_fewer, -1).mean(axis=1)
        for index, parameter in enumerate(model.parameter_names):
            of = found[parameter]
            away = "none" if not of["share_away_from_bounds"] else f"{of['coverage_95_away_from_bounds']:.1%}"
            yield (
                name,
                parameter,
                f"{snr:g}",
                f"{away} ({round(of['share_away_from_bounds'] * len(grid.points))} of {len(grid.points)})",
                f"{of['coverage_95']:.1%}",
                f"{held_if_ok[index]:.1%} ({is_ok.mean():.0%})",
                ", ".join(f"{share[:, index].mean():.1%}" for share in shares.values()),
                f"{shares[0.95][:, index].min():.1%}",
            )


def network_rows(names: list[str], snrs: list[float], seed: int) -> Iterator[Row]:
    """Intervals of networks trained on the spot for SNR 10 to 50, with the factor of each voxel's SNR."""
    yield ("model", "parameter", "SNR", "±1.96 SE", "as reported 50, 68, 95 %")
    yield ("---",) * 5
    for name in (name for name in names if name in NETWORKS):
        model, noise = _case(name, 1.0)
        recipe = raofit.TrainingRecipe.for_model(model, (10.0, 50.0), noise=noise.name, seed=seed)
        network = raofit.train_network(model, recipe)
        for snr in snrs:
            truths = np.asarray(network.prior.sample(jax.random.key(seed + 100), 20_000))
            measured = _measured(model, noise_models.build(noise.name, 1.0 / snr), truths, seed + 2)
            estimate = network.estimate(measured, sigma=1.0 / snr)
            error = np.abs(estimate.values - truths)
            of_voxels = network.snr_of(measured, 1.0 / snr)
            held = [
                np.mean(error <= network.interval_factors(level, snr=of_voxels) * estimate.standard_errors, axis=0)
                for level in (0.5, 0.68, 0.95)
            ]
            plain = np.mean(error <= 1.96 * estimate.standard_errors, axis=0)
            for index, parameter in enumerate(network.parameter_names):
                reported = ", ".join(f"{share[index]:.1%}" for share in held)
                yield (name, parameter, f"{snr:g}", f"{plain[index]:.1%}", reported)


def mark_rows(names: list[str], snrs: list[float], seed: int) -> Iterator[Row]:
    """Share of clean voxels that are marked as misfits, over the nominal rate."""
    yield ("model", "noise", "SNR", *(f"marked / nominal {rate:g}" for rate in RATES), "on a bound")
    yield ("---",) * 6
    for name, kind, snr in itertools.product(names, ("rician", "gaussian"), snrs):
        model, noise = _case(name, snr, kind)
        truths = np.asarray(raofit.Prior.typical(model, _UNIT).sample(jax.random.key(seed), 200_000))
        measured = _measured(model, noise, truths, seed + 3)
        estimate = raofit.MaximumLikelihood(model, noise).estimate(measured)
        sigma = np.full(len(truths), 1.0 / snr)
        shares = [_marked(model, kind, rate, estimate, measured, sigma) / rate for rate in RATES]
        on_bound = np.mean(estimate.status == raofit.Status.AT_BOUND)
        yield (name, kind, f"{snr:g}", *(f"{share:.2f}" for share in shares), f"{on_bound:.1%}")


def wrong_rows(_names: list[str], _snrs: list[float], seed: int) -> Iterator[Row]:
    """Share of voxels of a third compartment that are marked, against how far its signal is from any IVIM signal.

    The signal is 0.4·exp(−b·1e-5) + 0.3·exp(−b·7e-3) + 0.3·exp(−b·0.2), and mixtures of it with the nearest IVIM
    signal, which scale its deviation d = √Σ(s − ŝ)². Noise alone leaves √ν·σ, the least any fit can leave, with
    ν = 10 − 4. Beside it, the power of the best test that knows nothing of the compartment (non-central χ²).
    """
    from scipy.special import chdtri
    from scipy.stats import ncx2

    yield ("d / (√ν·σ)", *itertools.chain(*((f"marked at {rate:g}", "χ² test") for rate in RATES)))
    yield ("---",) * 5
    model, snr, b = build("ivim", PROTOCOLS["ivim"]), 50.0, np.array(B_VALUES)
    wrong = 0.4 * np.exp(-b * 1e-5) + 0.3 * np.exp(-b * 7e-3) + 0.3 * np.exp(-b * 0.2)
    nearest = raofit.MaximumLikelihood(model, noise_models.Gaussian(1 / snr)).estimate(wrong)
    near = np.asarray(model.signal(nearest.values))
    whole = np.linalg.norm(wrong - near) * snr
    noise = noise_models.Rician(1 / snr)
    for ratio in (0.0, 1.0, 1.5, 2.0, 2.5, 3.0):
        length = ratio * np.sqrt(6)
        signals = np.tile(near + length / whole * (wrong - near), (20_000, 1)).astype(np.float32)
        measured = np.asarray(noise.sample(jax.random.key(seed), signals))
        estimate = raofit.MaximumLikelihood(model, noise).estimate(measured)
        cells = []
        for rate in RATES:
            share = _marked(model, "rician", rate, estimate, measured, np.full(len(measured), 1 / snr))
            best = ncx2.sf(chdtri(6, rate), 6, length**2) if ratio else rate
            cells += [f"{share:.1%}", f"{best:.1%}"]
        yield (f"{ratio:g}", *cells)


TABLES = {"intervals": interval_rows, "networks": network_rows, "marks": mark_rows, "wrong": wrong_rows}
_UNIT = {"S0": (0.9999, 1.0001)}


def _case(name: str, snr: float, kind: str = "rician") -> tuple[AbstractSignalModel, noise_models.AbstractNoise]:
    return build(name, PROTOCOLS[name]), noise_models.build(kind, 1.0 / snr)


def _measured(model: AbstractSignalModel, noise, truths: np.ndarray, seed: int) -> np.ndarray:
    index = np.arange(len(truths), dtype=np.uint32)
    signals = model.signal(truths.astype(np.float32))
    sigmas = np.full(len(truths), float(noise.sigma), np.float32)
    return np.asarray(draw_measurements(noise, jax.random.key(seed), index, signals, sigmas, has_phase=False))


def _marked(model, kind: str, rate: float, estimate, measured: np.ndarray, sigma: np.ndarray) -> float:
    found = ResidualCheck(model, kind, len(model.parameters), rate)(estimate, measured, sigma)
    return float(np.mean(np.isin(found.status, [code for code in raofit.Status if code.is_misfit])))


if __name__ == "__main__":
    main()
