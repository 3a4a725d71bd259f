"""Signal models: what the scanner would measure without noise, one voxel at a time."""

from raofit.core.parameter import Parameter
from raofit.models._model import AbstractSignalModel, ProtocolField
from raofit.models._registry import REGISTRY, build
from raofit.models.adc import MonoExponentialADC
from raofit.models.black_box import BlackBoxModel
from raofit.models.compressed import Compressed
from raofit.models.function import FunctionModel
from raofit.models.inversion_recovery import InversionRecovery
from raofit.models.ivim import IVIM
from raofit.models.mrf_fisp import MRFFISP
from raofit.models.mrf_hybrid_state import HybridState
from raofit.models.mt_saturation import MTSaturation
from raofit.models.multi_echo_spin_echo import MultiEchoSpinEcho
from raofit.models.qmt.model import QMT
from raofit.models.spoiled_gradient_echo import SpoiledGradientEcho
from raofit.models.t2 import MonoExponentialT2
from raofit.models.t2star import MonoExponentialT2Star

__all__ = [
    "IVIM",
    "MRFFISP",
    "QMT",
    "REGISTRY",
    "AbstractSignalModel",
    "BlackBoxModel",
    "Compressed",
    "FunctionModel",
    "HybridState",
    "InversionRecovery",
    "MTSaturation",
    "MonoExponentialADC",
    "MonoExponentialT2",
    "MonoExponentialT2Star",
    "MultiEchoSpinEcho",
    "Parameter",
    "ProtocolField",
    "SpoiledGradientEcho",
    "build",
]
