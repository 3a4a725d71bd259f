"""The models the command line and network files know by name: one line each."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from raofit.core.errors import ProtocolError, RaofitError
from raofit.models._model import AbstractSignalModel, ProtocolField
from raofit.models.adc import MonoExponentialADC
from raofit.models.inversion_recovery import REPETITION_TIME, InversionRecovery
from raofit.models.ivim import IVIM
from raofit.models.mrf_fisp import MRFFISP
from raofit.models.mrf_hybrid_state import HybridState
from raofit.models.mt_saturation import MTSaturation
from raofit.models.multi_echo_spin_echo import MultiEchoSpinEcho
from raofit.models.qmt.model import QMT
from raofit.models.spoiled_gradient_echo import SpoiledGradientEcho
from raofit.models.t2 import MonoExponentialT2
from raofit.models.t2star import MonoExponentialT2Star


class Registered(NamedTuple):
    """How to build a named model from its protocol, its class, and settings of the protocol the class leaves open."""

    build: Callable[..., AbstractSignalModel]
    kind: type[AbstractSignalModel]
    further_fields: tuple[ProtocolField, ...] = ()

    @property
    def protocol_fields(self) -> tuple[ProtocolField, ...]:
        """Every setting `build` expects."""
        return self.kind.protocol_fields + self.further_fields


REGISTRY: dict[str, Registered] = {
    "adc": Registered(MonoExponentialADC, MonoExponentialADC),
    "ivim": Registered(IVIM, IVIM),
    "ivim-total": Registered(partial(IVIM, form="total"), IVIM),
    "mrf-fisp": Registered(MRFFISP, MRFFISP),
    "mrf-fisp-known-b1": Registered(partial(MRFFISP, b1=1.0), MRFFISP),
    "mrf-hybrid-state": Registered(HybridState, HybridState),
    "mrf-hybrid-state-known-b1": Registered(partial(HybridState, b1=1.0), HybridState),
    "mtsat": Registered(MTSaturation, MTSaturation),
    "qmt": Registered(QMT, QMT),
    "qmt-times": Registered(partial(QMT, relaxation="times"), QMT),
    "qmt-tied": Registered(partial(QMT, r1s="tied"), QMT),
    "qmt-tied-times": Registered(partial(QMT, r1s="tied", relaxation="times"), QMT),
    "t1-ir": Registered(InversionRecovery, InversionRecovery),
    "t1-ir-signed": Registered(partial(InversionRecovery, polarity="signed"), InversionRecovery),
    "t1-ir-tr": Registered(InversionRecovery, InversionRecovery, (REPETITION_TIME,)),
    "t1-ir-tr-signed": Registered(partial(InversionRecovery, polarity="signed"), InversionRecovery, (REPETITION_TIME,)),
    "t1-vfa": Registered(SpoiledGradientEcho, SpoiledGradientEcho),
    "t1-vfa-b1": Registered(partial(SpoiledGradientEcho, b1="free"), SpoiledGradientEcho),
    "t2": Registered(MonoExponentialT2, MonoExponentialT2),
    "t2-epg": Registered(MultiEchoSpinEcho, MultiEchoSpinEcho),
    "t2-epg-t1": Registered(partial(MultiEchoSpinEcho, t1="free"), MultiEchoSpinEcho),
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
    expected = [field.name for field in REGISTRY[name].protocol_fields]
    if sorted(protocol) != sorted(expected):
        raise ProtocolError(
            f"model `{name}`: expected the protocol settings {', '.join(expected)}, "
            f"got {', '.join(sorted(protocol)) or 'none'}"
        )
    return REGISTRY[name].build(**protocol)
