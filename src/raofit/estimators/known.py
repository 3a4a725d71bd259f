"""Parameters that are known for each voxel: their values as rows, and the objective of the others."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from raofit.core.errors import ProtocolError
from raofit.estimators._solver import Evaluation
from raofit.estimators.objective import Objective
from raofit.estimators.profile_objective import ProfileObjective

Known = Mapping[str, Float[np.ndarray, "*batch"] | float]


def known_rows(known: Known, batch: tuple[int, ...]) -> dict[str, Float[np.ndarray, " voxel"]]:
    """Known values of each parameter, one per voxel.

    Raises
    ------
    ProtocolError
        If they are neither one number nor one value per voxel.
    """
    rows = {}
    for name, given in known.items():
        array = np.asarray(given, dtype=np.float64)
        if array.ndim > 0 and array.shape != batch:
            raise ProtocolError(
                f"known `{name}`: expected one number or one value per voxel, shape {batch}, got {array.shape}"
            )
        rows[name] = np.broadcast_to(array, batch).reshape(-1)
    return rows


class FreeObjective(eqx.Module):
    """An objective as a function of the parameters that are not known.

    Gradient and curvature are the parts of the others, so that the fit, its steps and its end know nothing of the known
    parameters, which travel with the data of each voxel.

    Parameters
    ----------
    objective : the objective of all parameters.
    known : places of the known parameters among all.
    """

    objective: Objective | ProfileObjective
    known: tuple[int, ...] = eqx.field(static=True)

    @property
    def free(self) -> tuple[int, ...]:
        """Places of the others."""
        return free_places(len(self.objective.model.parameters), self.known)

    def __call__(
        self,
        coordinates: Float[Array, "free lane"],
        data: tuple[Float[Array, "m lane"], Float[Array, " lane"], Float[Array, "known lane"]],
    ) -> Evaluation:
        """Objective, and gradient and curvature of the free parameters; the known ones are in fit coordinates too."""
        measurement, inverse_sigma, held = data
        at = self.objective(joined(coordinates, held, self.known), (measurement, inverse_sigma))
        free = self.free
        return at._replace(
            gradient=[at.gradient[j] for j in free],
            curvature=[[at.curvature[j][k] for k in free if k <= j] for j in free],
        )


def free_places(n_parameters: int, known: tuple[int, ...]) -> tuple[int, ...]:
    """Places of the parameters that are not known."""
    return tuple(index for index in range(n_parameters) if index not in known)


def joined(
    free: Float[Array, "free lane"], held: Float[Array, "known lane"], known: tuple[int, ...]
) -> Float[Array, "parameter lane"]:
    """All parameters in their order, from the free and the known ones."""
    rest = iter(free)
    return jnp.stack([held[known.index(j)] if j in known else next(rest) for j in range(len(free) + len(held))])
