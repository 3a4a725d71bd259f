"""What undersampling does to a series of images: aliasing that follows the signal, as with one spiral arm per echo."""

import jax
import numpy as np
import scipy.fft
from jaxtyping import Array, Bool, Complex, Float, Inexact

from raofit.core.errors import RaofitError

_GOLDEN_TURN = (3.0 - np.sqrt(5.0)) / 2.0  # of a full turn: 137.5°
_ECHOES_AT_ONCE = 32


def undersampled(
    images: Inexact[np.ndarray, "echo y x"], acceleration: float, *, key: Array, strength: float = 1.0
) -> Complex[np.ndarray, "echo y x"]:
    r"""Images as they are reconstructed when one of `acceleration` spiral arms is measured per echo.

    .. math:: y_t = x_t + s\,(F^{-1} D M_t F x_t - x_t)

    F is the Fourier transform over y and x; M_t keeps the cells of the Cartesian grid that the arm of echo t passes
    through, an Archimedean spiral whose turns are `acceleration` cells apart, turned by the golden angle (137.5°) from
    each echo to the next; D divides by the share p of all angles at which a cell is kept (`sampled_share`). A random
    first angle makes every echo right on average, E y = x, with the error E Σ|y − x|² = s² Σ |F x|² (1/p − 1) for a
    unitary F. In the time course of a voxel the error looks like noise, but it is made of the image at other places,
    grows with it, and is correlated in space.

    The model is that of zero-filled gridding with a single uniform receive coil, the worst case: several coils or an
    iterative reconstruction leave less, which `strength` s stands for. Echoes whose arms nearly coincide (34, 55, 89 …
    apart) have similar errors, as in a scan. Noise is that of the reconstructed images, and comes on top.

    Parameters
    ----------
    images : Inexact[np.ndarray, "echo y x"]
        True images. Coefficients in a basis over echoes follow from the result:
        ``numpy.tensordot(basis.conj().T, undersampled(...), axes=1)``.
    acceleration : ≥ 1; 1 measures everything and returns the images.
    key : draws the angle of the first arm.
    strength : ≥ 0; 0 returns the images, 1 is the whole error.

    Returns
    -------
    Complex[np.ndarray, "echo y x"]
        In the precision of `images`.

    Raises
    ------
    RaofitError
        If the images have other than three axes, or a number is out of its range.
    """
    images = np.asarray(images)
    _check(images, acceleration, strength)
    result = images.astype(np.result_type(images.dtype, np.complex64))
    precision = np.finfo(result.dtype).dtype
    share, turn = sampled_share(images.shape[1:], acceleration), _turn(images.shape[1:], acceleration)
    first = float(jax.random.uniform(key))
    for start in range(0, len(images), _ECHOES_AT_ONCE):
        chunk = result[start : start + _ECHOES_AT_ONCE]
        angles = first + _GOLDEN_TURN * np.arange(start, start + len(chunk))
        keep = _is_sampled(share, turn, angles)
        weights = (strength * (keep / share - 1.0)).astype(precision)
        chunk += scipy.fft.ifft2(weights * scipy.fft.fft2(chunk))
    return result


def sampled_share(shape: tuple[int, int], acceleration: float) -> Float[np.ndarray, "y x"]:
    r"""Share p of all angles at which the arm passes within half a cell of a place in k-space.

    .. math:: p(k) = \min\left(1, \sqrt{R^{-2} + (2\pi k)^{-2}}\right)

    k is the distance from the center in cells and R the acceleration: 1/R far out, everything at the center. Cells are
    in the order of `numpy.fft.fft2`.
    """
    radius = np.abs(_places(shape))
    near = np.divide(1.0, 2.0 * np.pi * radius, out=np.full(shape, np.inf), where=radius > 0)
    return np.minimum(1.0, np.hypot(1.0 / acceleration, near))


def _is_sampled(
    share: Float[np.ndarray, "y x"], turn: Float[np.ndarray, "y x"], angles: Float[np.ndarray, " echo"]
) -> Bool[np.ndarray, "echo y x"]:
    """Whether the arm that starts at each angle (in turns) passes through each cell."""
    apart = turn - angles[:, None, None]
    return np.abs(apart - np.round(apart)) <= 0.5 * share


def _turn(shape: tuple[int, int], acceleration: float) -> Float[np.ndarray, "y x"]:
    """Angle, in turns, at which an arm must start to pass through the middle of a cell."""
    places = _places(shape)
    return np.angle(places) / (2.0 * np.pi) - np.abs(places) / acceleration


def _places(shape: tuple[int, int]) -> Complex[np.ndarray, "y x"]:
    """Places in k-space as complex numbers, in cells."""
    y, x = (np.fft.fftfreq(n) * n for n in shape)
    return x[None, :] + 1j * y[:, None]


def _check(images: np.ndarray, acceleration: float, strength: float) -> None:
    if images.ndim != 3:
        raise RaofitError(f"undersampling: expected images of shape (echo, y, x), got {images.shape}")
    if not (np.isfinite(acceleration) and acceleration >= 1.0):
        raise RaofitError(
            f"undersampling: expected an `acceleration` of at least 1 (full sampling), got {acceleration:g}"
        )
    if not (np.isfinite(strength) and strength >= 0.0):
        raise RaofitError(f"undersampling: expected a `strength` of at least 0 (no error), got {strength:g}")
