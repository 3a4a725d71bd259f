"""The run behind `raofit compare --tune`: train, measure, choose, print, and write the folder."""

import dataclasses
import shutil
from collections.abc import Mapping

import numpy as np

from raofit import noise as noise_models
from raofit.cli._compare_estimators import (
    DICTIONARY,
    Measured,
    Setting,
    Truths,
    described,
    given_networks,
    other_estimators,
)
from raofit.cli._compare_run import write_comparison
from raofit.cli._evaluate_run import MLE
from raofit.cli._progress import say
from raofit.cli._train_files import kept_on_interrupt
from raofit.cli._tune_options import TuneOptions, tuned_axes, tuned_objective, tuned_snrs
from raofit.cli._tune_train import CandidateFolder, candidate_training
from raofit.core.errors import RaofitError
from raofit.core.tasks import RunTasks
from raofit.estimators.network import NetworkEstimator
from raofit.evaluation.blocks import block_sizes
from raofit.evaluation.objective import Objective, UnmetLimitsError
from raofit.io.columns import write_csv
from raofit.io.output import require_free_folder
from raofit.plot.style import write_png
from raofit.plot.tuning import plot_tuning
from raofit.recipes.candidates import Axis, candidates
from raofit.recipes.training_recipe import TrainingRecipe
from raofit.recipes.tuning import Blocks, Tuning, tune
from raofit.report.tuning import TUNING, tuning_section, verdicts

BLOCKS = 10  # of noise draws, for the Monte Carlo errors


def run_tuning(options: TuneOptions, run: RunTasks) -> None:
    """Train the candidates or continue, choose one, print why, and write the folder."""
    of = options.compared.evaluated
    require_free_folder(of.out, force=of.force)
    axes = tuned_axes(options.tune)
    every = candidates(axes)
    snr, snrs = tuned_snrs(options.snr)
    block_sizes(of.n_repeats, BLOCKS)
    if options.n_refinements < 0:
        raise RaofitError(f"--refine {options.n_refinements}: expected 0 rounds or more")
    given, truths = given_networks(options.compared)
    _check_names([one.name for one in every], given)
    training = candidate_training(dataclasses.replace(options, snr=snr), axes, truths.model)
    recipe = training.recipe
    snrs = tuple(sorted(snrs)) or _snrs(recipe)
    objective = tuned_objective(options.objective, _bounded_names(truths, recipe.noise, snrs, recipe))
    path = of.out.with_name(f".{of.out.name}.tuning")
    is_resumed = path.is_dir()
    folder = training.folder(path, run)
    if is_resumed:
        say(f"Continuing from {path}")
    try:
        with kept_on_interrupt(path):
            tuning = _tuned(options, axes, objective, folder, given, truths, snrs)
    except UnmetLimitsError as error:
        raise RaofitError(
            f"--objective {objective}: {error} (the trained candidates stay in {path}, for the same command with "
            "another objective)"
        ) from error
    except RaofitError:
        if not is_resumed:
            shutil.rmtree(path, ignore_errors=True)  # a training that cannot succeed is no use resuming
        raise
    _write(options, tuning, folder, described(tuning.comparison, truths, {**given, **tuning.networks}, recipe.noise))
    shutil.rmtree(path, ignore_errors=True)
    _print(tuning)
    print(f"Written to {of.out}")


def _tuned(
    options: TuneOptions,
    axes: tuple[Axis, ...],
    objective: Objective,
    folder: CandidateFolder,
    given: Mapping[str, NetworkEstimator],
    truths: Truths,
    snrs: tuple[float, ...],
) -> Tuning:
    recipe = folder.training.recipe
    magnitudes = {*recipe.magnitudes, *(name for network in given.values() for name in network.magnitudes)}
    setting = Setting(options.compared.evaluated, truths, recipe.noise, magnitudes, folder.run)
    others = other_estimators(options.compared, truths, recipe.noise, snrs)

    def evaluate(networks: Mapping[str, NetworkEstimator]) -> Blocks:
        return {snr: setting.blocks(networks, snr, BLOCKS) for snr in snrs}

    references = {snr: setting.blocks({**given, **others[snr]}, snr, BLOCKS) for snr in snrs}
    return tune(
        axes, objective, folder.train, evaluate, _names(truths, recipe), references=references,
        n_refinements=options.n_refinements,
    )  # fmt: skip


def _check_names(names: list[str], given: Mapping[str, NetworkEstimator]) -> None:
    taken = sorted({*given, MLE, DICTIONARY} & set(names))
    if taken:
        raise RaofitError(f"--network: {taken[0]} is the name of a candidate; rename the file")


def _snrs(recipe: TrainingRecipe) -> tuple[float, ...]:
    """Lowest, middle and highest SNR of the training."""
    low, high = recipe.snr
    return tuple(sorted({low, float(np.sqrt(low * high)), high}))


def _names(truths: Truths, recipe: TrainingRecipe) -> tuple[str, ...]:
    """Parameters that vary over the truths and are estimated."""
    return tuple(name for name in truths.names if recipe.estimated is None or name in recipe.estimated)


def _bounded_names(truths: Truths, noise_name: str, snrs: tuple[float, ...], recipe: TrainingRecipe) -> tuple[str, ...]:
    """The compared parameters; raises if the Cramér–Rao bound of one of them is finite at fewer than two truths."""
    names = _names(truths, recipe)
    columns = [truths.model.parameter_names.index(name) for name in names]
    is_finite = np.all([np.isfinite(truths.bound(noise_models.build(noise_name, 1.0 / snr))) for snr in snrs], axis=0)
    n_finite = is_finite[:, columns].sum(axis=0)
    if not names or np.all(is_finite[:, columns], axis=1).sum() < 2:
        worst = names[int(np.argmin(n_finite))] if names else "any parameter"
        raise RaofitError(
            f"tuning is in units of the Cramér-Rao bound, which is infinite for {worst} at nearly all truths: this "
            "protocol does not tell it; look at `raofit crb`, and add measurements"
        )
    return names


def _write(options: TuneOptions, tuning: Tuning, folder: CandidateFolder, measured: Measured) -> None:
    sentences = verdicts(tuning)
    figure = plot_tuning(tuning)
    with write_comparison(
        options.compared,
        measured,
        sections=[tuning_section(tuning, figure)],
        more={"tuning": _content(tuning, sentences)},
        inputs=[options.train_on],
    ) as work:
        write_csv(work / "tune.csv", tuning.columns())
        write_png(work / f"{TUNING}.png", figure)
        (work / "candidates").mkdir()
        for one in tuning.candidates:
            shutil.copyfile(folder.file(one), work / "candidates" / f"{one.name}.raofit")
        shutil.copyfile(work / "candidates" / f"{tuning.choice.chosen}.raofit", work / "chosen.raofit")


def _content(tuning: Tuning, sentences: list[str]) -> dict:
    choice = tuning.choice
    return {
        "objective": str(tuning.objective),
        "chosen": choice.chosen,
        "least": choice.best,
        "not_told_from_the_least": choice.alike,
        "sentences": sentences,
    }


def _print(tuning: Tuning) -> None:
    """The table, tab-separated, and the sentences."""
    columns = tuning.columns()
    print("\t".join(columns))
    for row in zip(*columns.values(), strict=True):
        print("\t".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    print("\n".join(verdicts(tuning)))
