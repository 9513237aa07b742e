"""Autoencoding: the autoencoder of a run, from pixels to features and back."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import Features, Pixels
from boda.encoders.trained import kept_weights, read_network
from boda.encoders.weights import load_into, read_weights
from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.models.plan import NetworkPlan, build
from boda.pipelines.networks.folder import RunFolder

_BATCH = 256


class Autoencoding:
    """An autoencoder on the CPU, in eval mode."""

    def __init__(self, run: str | os.PathLike[str], *, epoch: int | None = None) -> None:
        """The network of a run's best epoch, or of one that was kept.

        Args:
            run: its folder.
            epoch: whose network; 0: as it began. None: the best.

        Raises:
            NotFound: no such run, or that epoch was not kept.
            Refused: it is no autoencoder.
        """
        folder = Path(run)
        plan, _, self.pixels = read_network(folder)
        if not isinstance(plan, NetworkPlan) or not plan.is_autoencoder:
            raise Refused(f"{shown(str(folder))}: is a {plan.name}, which gives no images back")
        self.plan = plan
        file = kept_weights(folder) if epoch is None else RunFolder(folder).epoch_file(epoch)
        if not file.is_file():
            raise NotFound(f"{shown(str(folder))}: the network of epoch {epoch} was not kept; train with keep_epochs")
        self._network: Any = build(self.plan)
        load_into(self._network, read_weights(file), where=f"weights {shown(str(file))}")
        self._network.eval()

    def features(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8, as `pixels` of this prepares them, to (n, d)."""
        from boda.training.data import as_floats

        return self._each(pixels, lambda part: self._network.encode(as_floats(part, self.plan.channels)))

    def decoded(self, features: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """(n, d) to images (n, h, w, c), 0 to 1."""
        found = self._each(np.asarray(features, np.float32), self._network.decode)
        return found.transpose(0, 2, 3, 1)

    def reconstructed(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """(n, h, w, 3) uint8 there and back: (n, h, w, c), 0 to 1."""
        return self.decoded(self.features(pixels))

    def seen(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        """(n, h, w, 3) uint8 as the network sees them: (n, h, w, c), 0 to 1; what a reconstruction is compared with."""
        from boda.training.data import as_floats

        return self._each(pixels, lambda part: as_floats(part, self.plan.channels)).transpose(0, 2, 3, 1)

    def _each(self, values: npt.NDArray[Any], made: Callable[[Any], Any]) -> npt.NDArray[np.float32]:
        import torch

        if not len(values):
            raise Refused("no images: give at least one")
        with torch.no_grad():
            parts = [
                made(torch.from_numpy(np.ascontiguousarray(values[start : start + _BATCH]))).float().numpy()
                for start in range(0, len(values), _BATCH)
            ]
        return np.concatenate(parts)
