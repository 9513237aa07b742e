"""Principal components of pixels: what a linear autoencoder of the same width gives back, in closed form."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Pca:
    """Of rows of p pixels, 0 to 1."""

    mean: npt.NDArray[np.float64]
    """(p,)."""
    axes: npt.NDArray[np.float64]
    """(p, p) a column each, the one of the largest variance first."""

    def features(self, pixels: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.float64]:
        """(n, h, w) to the first components (n, width)."""
        return np.concatenate([part @ self.axes[:, :width] for part in self._parts(pixels)])

    def error(self, pixels: npt.NDArray[np.uint8], width: int) -> float:
        """Mean squared error of images that come back from so many components."""
        lost = [np.square(part @ self.axes[:, width:]).sum() for part in self._parts(pixels)]
        return float(np.sum(lost) / pixels.size)

    def _parts(self, pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float64]]:
        flat = pixels.reshape(len(pixels), -1)
        return [flat[start : start + _BLOCK] / 255 - self.mean for start in range(0, len(flat), _BLOCK)]


def pca(pixels: npt.NDArray[np.uint8]) -> Pca:
    """Of (n, h, w) images, 0 to 255."""
    flat = pixels.reshape(len(pixels), -1)
    mean = flat.mean(axis=0) / 255
    moments = np.zeros((flat.shape[1], flat.shape[1]))
    for start in range(0, len(flat), _BLOCK):
        part = flat[start : start + _BLOCK] / 255 - mean
        moments += part.T @ part
    _, axes = np.linalg.eigh(moments)
    return Pca(mean, axes[:, ::-1])
