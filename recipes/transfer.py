"""Fashion-MNIST: does a classifier's encoder give an autoencoder a start, and the other way round?

Score   see transfer.md
Data    60,000 images of clothes to learn from and 10,000 others, 28 x 28 grey pixels (Xiao, Rasul and Vollgraf,
        arXiv:1708.07747): DATA/fashion_mnist
After   the published experiment: an autoencoder that begins with the encoder of a classifier of 40 epochs is after 10
        epochs "as good as 50" from scratch
Run     python recipes/transfer.py DATA --to transfer/
        python recipes/transfer.py DATA --to transfer/ --scale 0.2      for two cores: a fifth of the training images

One network, two tasks: images from their features, and classes from their features. Each task is learned from scratch,
and from the encoder that the other task had after 40 epochs; the decoder, or the classifier, begins at random either
way, as the same numbers within a seed. The learning rate is constant, so that a curve at 10 epochs is that of a run of
10. No epoch is chosen by its error. Every run is a folder; the same command goes on with what was stopped.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoencoders.idx import first_rows, found
from autoencoders.runs import Runs, curve, spread
from autoencoders.transfer_picture import transfer_picture
from boda.errors import BodaError, Refused
from boda.pipelines.train_network import TrainedNetwork
from runs.receipt import footer, table, write

PRESET = "autoencoder"
IMAGES, CLASSES = "autoencoder", "classifier"
_ROWS = 60_000


@dataclass(frozen=True, slots=True)
class Pairing:
    """Epochs of the other task, then of this one."""

    first: int = 40
    then: int = 10

    @property
    def together(self) -> int:
        """Of training from scratch."""
        return self.first + self.then


@dataclass(frozen=True, eq=False)
class Compared:
    """One task, from scratch and with a start, a run a seed each."""

    name: str
    other: str
    score: str
    """`loss` or `error`."""
    unit: str
    scratch: tuple[TrainedNetwork, ...]
    started: tuple[TrainedNetwork, ...]

    def curves(self, part: str) -> dict[str, npt.NDArray[np.float64]]:
        """(s, e) of `train` or `validation`, by how the runs began."""
        score = f"{part}_{self.score}"
        return {"from scratch": curve(self.scratch, score), f"from the {self.other}": curve(self.started, score)}


def run(
    data: Path,
    to: Path,
    *,
    scale: float = 1.0,
    seeds: int = 3,
    pairing: Pairing | None = None,
    net: str = "autoencoder",
    device: str = "auto",
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Train both tasks from scratch and from each other, and compare them epoch by epoch.

    Args:
        data: the folder of data; `fashion_mnist` is used.
        to: where runs, picture and receipt go.
        scale: share of the training images, above 0, at most 1; epochs stay as published.
        seeds: how many: 0, 1, ...
        pairing: epochs; None: as published.
        net: the network; the published one has no arguments.
        device: as of `boda.train_network`.
        tell: is told where it is.

    Returns:
        The receipt.

    Raises:
        Refused: there is no such share.
    """
    if not 0 < scale <= 1:
        raise Refused(f"scale={scale}: a share of the training images, above 0 and at most 1")
    began, pairing = time.perf_counter(), pairing or Pairing()
    rows = None if scale == 1 else round(scale * _ROWS)
    train = first_rows(found(data / "fashion_mnist", "train"), rows, to / "rows")
    test = first_rows(found(data / "fashion_mnist", "t10k"), None, to / "rows")
    runs = Runs(to, train, test, device, tell)

    def begun(task: str, seed: int) -> TrainedNetwork:
        """From scratch, for as many epochs as both take together."""
        how = {"epochs": pairing.together}
        return runs.trained(
            task, net, preset=PRESET, settings=how, seed=seed, target=_target(task), keep_epochs=(pairing.first,)
        )

    def started(task: str, other: TrainedNetwork, seed: int) -> TrainedNetwork:
        """From the encoder that the other task had when it was that far."""
        init = other.folder / f"epoch-{pairing.first:04}.safetensors"
        name, how = f"{task}-from-{CLASSES if task == IMAGES else IMAGES}", {"epochs": pairing.then}
        return runs.trained(name, net, preset=PRESET, settings=how, seed=seed, target=_target(task), init=init)

    scratch = {task: tuple(begun(task, seed) for seed in range(seeds)) for task in (CLASSES, IMAGES)}
    compared = [
        Compared(
            task,
            other,
            score,
            unit,
            scratch[task],
            tuple(started(task, one, seed) for seed, one in enumerate(scratch[other])),
        )
        for task, other, score, unit in (
            (IMAGES, CLASSES, "loss", "mean squared error"),
            (CLASSES, IMAGES, "error", "share of wrong classes"),
        )
    ]
    panels = {f"{one.name}, {one.unit}": (one.curves("train"), one.curves("validation")) for one in compared}
    write(to / "transfer.png", transfer_picture(panels))
    images = scratch[IMAGES][0].training
    shorter = "" if scale == 1 else f" This is the shorter form: {100 * scale:g} % of the published images."
    about = (
        f"{images:,} training and {scratch[IMAGES][0].validation:,} validation images, {seeds} seeds, preset "
        f"`{PRESET}` (constant learning rate).{shorter}\n"
    )
    return "\n".join(
        (
            about,
            *(_section(one, pairing) for one in compared),
            footer(time.perf_counter() - began, range(seeds), of="weights and order"),
        )
    )


def _target(task: str) -> str | None:
    return "label" if task == CLASSES else None


def _section(one: Compared, pairing: Pairing) -> str:
    """The curves at equal epochs, the published pairing, and what it says."""
    scratch, started = one.curves("validation").values()
    epochs = sorted({epoch for epoch in (1, 2, 3, 5, 10, 20, pairing.then) if epoch <= pairing.then})
    rows = [
        [
            f"{epoch}",
            spread(scratch[:, epoch - 1]),
            spread(started[:, epoch - 1]),
            spread(started[:, epoch - 1] - scratch[:, epoch - 1], sign="+"),
        ]
        for epoch in epochs
    ]
    last = [f"{pairing.together}", spread(scratch[:, -1]), "", ""]
    header = ["epochs of this task", "from scratch", f"from the {one.other}", "difference"]
    return (
        f"## The {one.name}, from scratch and from the {one.other}\n\nValidation, {one.unit}.\n\n"
        f"{table(header, [*rows, last])}\n{_verdict(one, scratch, started, pairing)}"
    )


def _verdict(
    one: Compared, scratch: npt.NDArray[np.float64], started: npt.NDArray[np.float64], pairing: Pairing
) -> str:
    """The published pairing in words, as measured."""
    gap = started[:, -1] - scratch[:, -1]
    worse = int((gap > 0).sum())
    like = [epochs_to_reach(curve, value) for curve, value in zip(scratch, started[:, -1], strict=True)]
    reached = ", ".join("never" if epoch is None else f"{epoch}" for epoch in like)
    return (
        f"{one.other} {pairing.first} epochs, then {one.name} {pairing.then}: {spread(started[:, -1])}; {one.name} "
        f"{pairing.together} epochs: {spread(scratch[:, -1])}; difference {spread(gap, sign='+')}, worse with "
        f"{worse} of {len(gap)} seeds. From scratch the same is reached after {reached} epochs (one number a seed).\n"
    )


def epochs_to_reach(curve: Sequence[float] | npt.NDArray[np.float64], value: float) -> int | None:
    """The first epoch, from 1, whose error is not above a value; None: there is none.

    >>> epochs_to_reach([0.5, 0.3, 0.4, 0.1], 0.3), epochs_to_reach([0.5], 0.1)
    (2, None)
    """
    there = np.flatnonzero(np.asarray(curve) <= value)
    return int(there[0]) + 1 if len(there) else None


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: fashion_mnist/")
    parser.add_argument("--to", type=Path, default=Path("transfer"), metavar="FOLDER", help="of runs and receipt")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the training images; 0.2 for two cores")
    parser.add_argument("--seeds", type=int, default=3, metavar="COUNT")
    parser.add_argument("--device", default="auto")
    asked = vars(parser.parse_args())
    data, to = asked.pop("data"), asked.pop("to")
    try:
        receipt = run(data, to, **asked, tell=_tell)
    except BodaError as error:
        raise SystemExit(f"transfer: {error}") from error
    write(to / "receipt.md", receipt.encode())
    print(receipt)


if __name__ == "__main__":
    main()
