"""Sentences of a methods section: the model, how a network was trained and tested, and the software."""

from collections.abc import Mapping, Sequence

from raofit.core.parameter import Parameter
from raofit.core.references import cited_keys
from raofit.estimators.network import NetworkEstimator, describe_protocol
from raofit.models import AbstractSignalModel, Compressed
from raofit.report.methods import listed

_LABELS = {
    "truth": "the true parameters",
    "mle-rician": "maximum-likelihood estimates (Rician noise) of the same measurements [epstein2022]",
    "mle-gaussian": "maximum-likelihood estimates (Gaussian noise) of the same measurements [epstein2022]",
    "literal-rician": "maximum-likelihood estimates (Rician noise) of the same measurements [epstein2022]",
    "literal-gaussian": "maximum-likelihood estimates (Gaussian noise) of the same measurements [epstein2022]",
    "self-supervised": "the measurements themselves [barbieri2020]",
    "self-supervised-rician": "the measurements themselves, by their Rician likelihood [parker2023]",
}


def model_sentences(model: AbstractSignalModel) -> list[str]:
    """The signal model with its literature, and the protocol."""
    samples = model.model if isinstance(model, Compressed) else model
    about = (type(samples).__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").partition(" [")[0].rstrip(". ")
    fields = {field.name: field for field in samples.protocol_fields}
    settings = []
    for name, values in model.protocol.items():
        words = describe_protocol({name: values}).removeprefix(f"{name} = ")
        unit = fields[name].unit if name in fields else ""
        settings.append(f"{name.replace('_', ' ')} {words}{f' {unit}' if unit not in ('', '1') else ''}")
    sentences = [f"The signal model was {model.name}: {' '.join(about.split())}{cited(cited_keys(samples))}."]
    return [*sentences, f"Protocol: {'; '.join(settings)}."] if settings else sentences


def with_unit(parameter: Parameter) -> str:
    """The name, with the unit in parentheses if there is one."""
    return parameter.name if parameter.unit == "1" else f"{parameter.name} ({parameter.unit})"


def cited(keys: Sequence[str]) -> str:
    """A citation after a word; nothing if there are no keys."""
    return f" [{', '.join(dict.fromkeys(keys))}]" if keys else ""


def noise_word(name: str) -> str:
    """The name of a noise model in a sentence, such as complex Gaussian."""
    return name.replace("-", " ").replace("gaussian", "Gaussian").replace("rician", "Rician")


def software_sentence(versions: Mapping[str, str]) -> str:
    """What it was computed with."""
    others = listed([f"{name} {versions[name]}" for name in ("jax", "numpy", "python")])
    return f"Computations used raofit {versions['raofit']} ({others})."


def training_sentences(network: NetworkEstimator) -> list[str]:
    """What the network is, what it was trained on and for, and how its errors were measured."""
    recipe = network.provenance.get("recipe", {})
    low, high = network.snr_range
    snr = f"SNR {low:.4g}" if low == high else f"SNR {low:.4g} to {high:.4g}"
    n_training = network.provenance.get("n_training", recipe.get("n_training"))
    samples = f"{n_training} simulated samples" if n_training else "simulated samples"
    ranges = ", ".join(
        f"{parameter.name} {start:.4g} to {end:.4g}{'' if parameter.unit == '1' else f' {parameter.unit}'}"
        for parameter, (start, end) in zip(network.model.parameters, network.prior.ranges, strict=True)
    )
    sizes = network.network.sizes
    about = f"The network has {len(sizes) - 2} hidden layers and {network.weights.size} weights"
    noisy = f"{noise_word(network.noise_name)} noise of {snr}"
    trained = f"was trained on {samples} of the same protocol with {noisy} ({ranges})"
    sentences = [f"{about}, and {trained}{_target(recipe)}."]
    if network.card.get("entries"):
        card = network.card
        sentences.append(
            f"Its bias and scatter were measured on {card['n_truths']} truths from the same ranges with "
            f"{card['n_repeats']} noise draws each."
        )
    return sentences


def _target(recipe: Mapping) -> str:
    """What it was trained to answer, and how errors were weighted."""
    labels = recipe.get("labels")
    if labels not in _LABELS:
        return ""
    words = f", towards {_LABELS[labels]}"
    if recipe.get("weights") != "inverse-crb":
        return words
    if recipe.get("n_realizations", 1) > 1:
        return words + ", with bias and variance weighted by the Cramér–Rao bound [zhang2022, mao2024]"
    return words + ", with errors weighted by the Cramér–Rao bound [zhang2022]"
