"""Runs of a recipe: each a folder that goes on where it was stopped."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import boda
from autoencoders.idx import Idx
from boda.pipelines.run.meter import Progress
from boda.pipelines.train_network import TrainedNetwork

_EVERY = 30.0
"""Seconds between two lines that say where a run is."""


@dataclass(frozen=True)
class Runs:
    """Where, and on what."""

    to: Path
    train: Idx
    validation: Idx
    """The images that the publication calls so; they choose the best epoch, and nothing is learned from them."""
    device: str = "auto"
    tell: Callable[[str], None] = lambda _: None

    def trained(
        self,
        name: str,
        net: str = "autoencoder",
        *,
        preset: str,
        settings: Mapping[str, Any],
        seed: int,
        target: str | None = None,
        init: Path | None = None,
        keep_epochs: Sequence[int] = (),
    ) -> TrainedNetwork:
        """The run of this name and seed, trained to its end; arguments as of `boda.train_network`."""
        self.to.mkdir(parents=True, exist_ok=True)
        label, heard = f"{name}-{seed}", [time.monotonic()]

        def told(progress: Progress) -> None:
            if time.monotonic() - heard[0] > _EVERY:
                heard[0] = time.monotonic()
                left = (progress.seconds_left or 0) / 60
                self.tell(f"{label}: step {progress.done:,} of {progress.total:,}, {left:.0f} min left")

        found = boda.train_network(
            self.train.images,
            net=net,
            target=target,
            preset=preset,
            settings=settings,
            validation=self.validation.images,
            init=init,
            flip_pairs=(),
            seed=seed,
            device=self.device,
            to=self.to / label,
            keep_epochs=keep_epochs,
            progress=told,
        )
        last = found.history[-1]
        self.tell(f"{label}: {found.primary} {last[f'validation_{found.primary}']:.4f} after epoch {last['epoch']:.0f}")
        return found


def curve(runs: Sequence[TrainedNetwork], score: str) -> npt.NDArray[np.float64]:
    """(s, e) of each run after each epoch, as `validation_loss`."""
    return np.array([[row[score] for row in one.history] for one in runs])


def spread(values: Sequence[float] | npt.NDArray[np.float64], digits: int = 4, *, sign: str = "") -> str:
    """Mean and standard deviation over seeds."""
    mean = f"{np.mean(values):{sign}.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean
