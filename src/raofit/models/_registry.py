"""The models the command line and network files know by name: one line each."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models._model import AbstractSignalModel
from raofit.models.adc import MonoExponentialADC
from raofit.models.ivim import IVIM
from raofit.models.mrf_fisp import MRFFISP
from raofit.models.qmt.model import QMT
from raofit.models.t2 import MonoExponentialT2
from raofit.models.t2star import MonoExponentialT2Star


class Registered(NamedTuple):
    """How to build a named model from its protocol, and the class that states the protocol's fields."""

    build: Callable[..., AbstractSignalModel]
    kind: type[AbstractSignalModel]


REGISTRY: dict[str, Registered] = {
    "adc": Registered(MonoExponentialADC, MonoExponentialADC),
    "ivim": Registered(IVIM, IVIM),
    "ivim-total": Registered(partial(IVIM, form="total"), IVIM),
    "mrf-fisp": Registered(MRFFISP, MRFFISP),
    "mrf-fisp-known-b1": Registered(partial(MRFFISP, b1=1.0), MRFFISP),
    "qmt": Registered(QMT, QMT),
    "qmt-times": Registered(partial(QMT, relaxation="times"), QMT),
    "qmt-tied": Registered(partial(QMT, r1s="tied"), QMT),
    "qmt-tied-times": Registered(partial(QMT, r1s="tied", relaxation="times"), QMT),
    "t2": Registered(MonoExponentialT2, MonoExponentialT2),
    "t2star": Registered(MonoExponentialT2Star, MonoExponentialT2Star),
}


def build(name: str, protocol: Mapping) -> AbstractSignalModel:
    """The registered model `name` with the acquisition settings `protocol` (`{field name: values}`).

    Raises
    ------
    RaofitError
        If the name is not registered.
    ProtocolError
        If a protocol field is missing, unknown, or implausible.
    """
    if name not in REGISTRY:
        raise RaofitError(f"model `{name}`: expected one of {', '.join(sorted(REGISTRY))}")
    expected = [field.name for field in REGISTRY[name].kind.protocol_fields]
    if sorted(protocol) != sorted(expected):
        raise ProtocolError(
            f"model `{name}`: expected the protocol settings {', '.join(expected)}, "
            f"got {', '.join(sorted(protocol)) or 'none'}"
        )
    return REGISTRY[name].build(**protocol)
