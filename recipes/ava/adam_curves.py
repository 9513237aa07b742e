"""Adam on a linear layer written out in NumPy, for hundreds of epochs: the same steps as `published_training`.

A linear layer with a squared loss needs no automatic differentiation: its gradient is 2/b x'(x w - y). Written out, and
with the layers of both target scales side by side (Adam treats each weight by itself, so they do not mix), a step costs
a sixth of torch's. A test holds it to the plain loop.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ava.published_training import Epoch, Settings, first_weights
from boda.errors import Refused

_KEPT, _KEPT_SQUARES = np.float32(0.9), np.float32(0.999)


def adam_curves(
    features: npt.NDArray[np.float32], scores: Sequence[npt.NDArray[np.float64]], *, settings: Settings
) -> Iterator[list[Epoch]]:
    """Train one layer for each target; the layers after every epoch.

    Args:
        features: (n, d), in the order of training.
        scores: for each target (n,), in its units.
        settings: of all layers; `epochs` is how long.

    Raises:
        Refused: rows differ in number.
    """
    if any(one.shape != features.shape[:1] for one in scores):
        raise Refused(f"features of shape {features.shape} have no scores of {[one.shape for one in scores]}")
    targets = np.stack(scores, axis=1).astype(np.float32)
    first, offset = (part.numpy() for part in first_weights(features.shape[1], settings))
    adam = _Adam(np.repeat(np.vstack([first.T, offset[None]]), len(scores), axis=1), settings)
    for number in range(1, settings.epochs + 1):
        losses = adam.epoch(features, targets) / len(features)
        layers = zip(adam.layers.T.copy(), losses, strict=True)
        yield [Epoch(number, layer[:-1], float(layer[-1]), float(loss)) for layer, loss in layers]


class _Adam:
    """Layers (d + 1, k), offsets last, and the moving averages of their slopes; changed in place."""

    def __init__(self, layers: npt.NDArray[np.float32], settings: Settings) -> None:
        self.layers, self.settings, self.taken = layers, settings, 0
        self.mean, self.square, self.slope, self.room = (np.zeros_like(layers) for _ in range(4))

    def epoch(self, features: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """One pass over all rows; (k,) the sums of squared errors on the way."""
        summed, batch = np.zeros(targets.shape[1]), self.settings.batch
        for start in range(0, len(features), batch):
            summed += self._step(features[start : start + batch], targets[start : start + batch])
        return summed

    def _step(self, x: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.taken += 1
        error = x @ self.layers[:-1]
        error += self.layers[-1]
        error -= targets
        squares: npt.NDArray[np.float32] = np.einsum("ij,ij->j", error, error)
        error *= np.float32(2 / len(x))
        np.matmul(x.T, error, out=self.slope[:-1])
        self.slope[-1] = error.sum(axis=0)
        self.mean *= _KEPT
        self.mean += np.multiply(self.slope, 1 - _KEPT, out=self.room)
        self.square *= _KEPT_SQUARES
        np.square(self.slope, out=self.slope)
        self.square += np.multiply(self.slope, 1 - _KEPT_SQUARES, out=self.room)
        np.sqrt(self.square, out=self.room)
        self.room *= np.float32((1 - 0.999**self.taken) ** -0.5)
        self.room += np.float32(self.settings.epsilon)
        np.divide(self.mean, self.room, out=self.room)
        self.room *= np.float32(self.settings.rate / (1 - 0.9**self.taken))
        self.layers -= self.room
        return squares
