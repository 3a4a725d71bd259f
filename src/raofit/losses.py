"""The papers' losses by name: settings of the one `SupervisedLoss`, for fingerprints, parameters and realizations.

| loss | weight of a sample | R | λ, δ |
|---|---|---|---|
| `mse` | 1 | 1 | – |
| `relative_mse` | 1/truth² | 1 | – |
| `mse_crb` [zhang2022] | 1/CRB(θ, SNR) | 1 | – |
| `wbce` [mao2024] | 1/CRB(θ, SNR) | many | λ, 0 |
| `wvce` [mao2024], the loss of Bias-Reduced networks | 1/CRB(θ, SNR) | many | λ, δ |

`emphasis` multiplies the weight of each parameter: 0 leaves a parameter out. `moments` are those of `SupervisedLoss`.
"""

from jaxtyping import Array, ArrayLike, Float

from raofit.training.losses import Moments, SupervisedLoss

__all__ = ["SupervisedLoss", "mse", "mse_crb", "relative_mse", "wbce", "weighted_moments", "wvce"]


def mse(emphasis: ArrayLike = 1.0) -> SupervisedLoss:
    """(x̂ − x)², in the units of each parameter squared."""
    return SupervisedLoss(emphasis)


def relative_mse(emphasis: ArrayLike = 1.0) -> SupervisedLoss:
    """(x̂ − x)²/x²."""
    return SupervisedLoss(emphasis, weighting="inverse-truth")


def mse_crb(emphasis: ArrayLike = 1.0) -> SupervisedLoss:
    """(x̂ − x)²/b: 1 for an efficient unbiased estimator [zhang2022]."""
    return SupervisedLoss(emphasis, weighting="inverse-crb")


def wbce(
    variance_factor: float = 1.0,
    *,
    emphasis: ArrayLike = 1.0,
    bias_moments: Moments = "plain",
    variance_moments: Moments = "plain",
) -> SupervisedLoss:
    """(μ − x)²/b + λ·s²/b; at λ = 1 and many realizations the same as `mse_crb` [mao2024]."""
    return wvce(variance_factor, 0.0, emphasis=emphasis, bias_moments=bias_moments, variance_moments=variance_moments)


def wvce(
    variance_factor: float = 1.0,
    tolerated_variance: float = 1.0,
    *,
    emphasis: ArrayLike = 1.0,
    bias_moments: Moments = "plain",
    variance_moments: Moments = "plain",
) -> SupervisedLoss:
    """(μ − x)²/b + λ·max(s²/b − δ, 0): variance up to δ bounds is free, bias is not [mao2024].

    An efficient unbiased estimator scores 1/R in the first term and, at R = 200 and δ = 1, 0.0374 in the second.
    """
    return SupervisedLoss(
        emphasis,
        weighting="inverse-crb",
        variance_factor=variance_factor,
        tolerated_variance=tolerated_variance,
        bias_moments=bias_moments,
        variance_moments=variance_moments,
    )


def weighted_moments(
    estimates: Float[Array, "realization *batch"], truth: Float[Array, "*batch"], bound: Float[Array, "*batch"]
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """bias²/b and variance/b over realizations, both unbiased: E is (E[x̂] − x)²/b and Var[x̂]/b.

    Parameters
    ----------
    estimates : x̂ of each noise realization, at least two; NumPy arrays or those of JAX.
    bound : Cramér–Rao bound b, parameter unit squared.
    """
    n_realizations = estimates.shape[0]
    mean = estimates.mean(axis=0)
    variance = ((estimates - mean[None]) ** 2).sum(axis=0) / (n_realizations - 1)
    return ((mean - truth) ** 2 - variance / n_realizations) / bound, variance / bound
