"""CIFAR-10: plain networks get worse with depth, residual ones get better.

Score   see resnet_cifar10.md
Data    50,000 images to learn from, a folder a class, as github.com/cyizhuo/CIFAR-10-dataset has them
        (TRAIN/airplane/*.png, ...), and the 10,000 of the test: DATA/cifar10_test/test.parquet
After   He et al., arXiv:1512.03385, section 4.2 and figures 1, 3, 6 and 7
Run     python recipes/resnet_cifar10.py TRAIN DATA --to cifar/               64,000 steps a network, on a GPU
        python recipes/resnet_cifar10.py TRAIN DATA --to cifar/ --two-cores   20 and 56 layers within an hour
        python recipes/resnet_cifar10.py TRAIN DATA --to cifar/ --preset cifar-fast --depths 20 --kinds A

All training images are learned from and the test images are looked at after every epoch, as the paper draws them. They
choose nothing: the error that counts is that of the last step. Each network is a run of its own in the folder; what was
stopped goes on with the same command.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image

import boda
from boda.errors import BodaError, NotFound, Refused
from boda.models.measuring import deviations
from boda.models.plan import build
from boda.pipelines.networks.collecting import IMAGENET_MEAN, IMAGENET_STD
from boda.pipelines.networks.folder import LAST
from boda.pipelines.networks.gathering import listing_of
from boda.pipelines.run.meter import Progress
from boda.pipelines.train_network import TrainedNetwork
from boda.sources.opening import open_source
from boda.training import checkpoint
from boda.training.preset import Preset, preset_named
from resnets.figure3 import figure3
from resnets.figures import apart, errors, responses
from resnets.published import CIFAR_PARAMETERS, CIFAR_PLAIN, CIFAR_RESIDUAL
from resnets.two_cores import schedule
from runs.receipt import footer, table, write

Kind = Literal["plain", "A", "B", "C"]
DEPTHS, KINDS = (20, 32, 44, 56), ("plain", "A")
TEST = Path("cifar10_test") / "test.parquet"
"""In the folder of data."""
_LOOKED_AT = 1_000
"""Test images whose responses are measured."""
_EVERY = 30.0
"""Seconds between two lines that say where a run is."""


@dataclass(frozen=True, slots=True)
class Net:
    """One of the paper's networks."""

    depth: int
    kind: Kind
    """Plain, or how its shortcuts change shape."""

    @property
    def name(self) -> str:
        """As of `boda.train_network`."""
        return f"resnet{self.depth}?" + ("residual=false" if self.kind == "plain" else f"shortcut={self.kind}")

    @property
    def label(self) -> str:
        """As tables, pictures and folders call it: `plain-20`, `residual-20`, `residual-20-B`."""
        base = f"{'plain' if self.kind == 'plain' else 'residual'}-{self.depth}"
        return base if self.kind in {"plain", "A"} else f"{base}-{self.kind}"

    @property
    def published(self) -> str:
        """The paper's test error in %; empty where it has none."""
        known: Mapping[Kind, Mapping[int, str]] = {"plain": CIFAR_PLAIN, "A": CIFAR_RESIDUAL}
        return known.get(self.kind, {}).get(self.depth, "")


def run(
    train: Path,
    test: Path,
    to: Path,
    *,
    nets: Sequence[Net],
    preset: Preset,
    device: str = "auto",
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> str:
    """Train each network, or go on with it, and draw and say what they score.

    Args:
        train: a folder with a folder of images for each class.
        test: a table of images with a column `class`.
        to: where runs, pictures and the receipt go.
        nets: which.
        preset: how all of them are trained; the paper's warm-up is added for 110 layers.
        device: as of `boda.train_network`.
        seed: of weights, order, augmentation.
        tell: hears how far it is.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    to.mkdir(parents=True, exist_ok=True)
    found = {net: _trained(net, train, test, to, preset, device, seed, tell) for net in nets}
    histories = {
        title: {net.label: one.history for net, one in found.items() if (net.kind == "plain") == plain}
        for title, plain in (("plain", True), ("residual", False))
    }
    drawn = {title: group for title, group in histories.items() if group}
    write(to / "figure6.png", errors(drawn))
    write(to / "figure1.png", apart(next(iter(drawn.values()))))
    images = _images(test, _LOOKED_AT)
    strengths = {net.label: deviations(_last(one), images.split(128)) for net, one in found.items()}
    write(to / "figure7.png", responses(strengths))
    return "\n".join(
        (
            _scores(found, strengths),
            *_orderings(found),
            "",
            figure3(),
            footer(time.perf_counter() - began, [seed], of="weights, order and augmentation"),
        )
    )


def of_preset(preset: Preset, net: Net) -> Preset:
    """With 110 layers the paper's rate begins at a tenth."""
    if net.depth < 110 or preset.name != "cifar-paper":
        return preset
    warmed = preset_named("cifar-paper-110")
    return replace(warmed, epochs=preset.epochs, iterations=preset.iterations)


def _trained(
    net: Net,
    train: Path,
    test: Path,
    to: Path,
    preset: Preset,
    device: str,
    seed: int,
    tell: Callable[[str], None],
) -> TrainedNetwork:
    heard = [time.monotonic()]

    def told(progress: Progress) -> None:
        if time.monotonic() - heard[0] > _EVERY:
            heard[0] = time.monotonic()
            left = (progress.seconds_left or 0) / 60
            tell(f"{net.label}: step {progress.done:,} of {progress.total:,}, {left:.0f} min left")

    found = boda.train_network(
        train,
        net=net.name,
        target="class",
        preset=of_preset(preset, net),
        validation=test,
        flip_pairs=(),
        device=device,
        seed=seed,
        to=to / net.label,
        progress=told,
    )
    last = found.history[-1]
    tell(f"{net.label}: {100 * last['validation_error']:.2f} % test error after {last['step']:,} steps")
    return found


def _scores(found: Mapping[Net, TrainedNetwork], strengths: Mapping[str, Mapping[str, float]]) -> str:
    header = [
        "network", "steps", "training error, %", "test error, %", "the paper's", "millions of parameters",
        "the paper's ", "mean response",
    ]  # fmt: skip
    rows = []
    for net, one in found.items():
        last = one.history[-1]
        parameters = sum(tensor.numel() for tensor in build(one.plan).parameters()) / 1e6
        rows.append(
            [
                net.label,
                f"{last['step']:,}",
                f"{100 * last['train_error']:.2f}",
                f"**{100 * last['validation_error']:.2f}**",
                net.published,
                f"{parameters:.2f}",
                CIFAR_PARAMETERS.get(net.depth, "") if net.kind in {"plain", "A"} else "",
                f"{np.mean(list(strengths[net.label].values())):.2f}",
            ]
        )
    return table(header, rows)


def _orderings(found: Mapping[Net, TrainedNetwork]) -> list[str]:
    """What the shallowest and the deepest of each kind say of depth, as measured, beside what the paper found."""
    said = []
    for kind, expected in (("plain", "worse"), ("A", "better")):
        nets = sorted((net for net in found if net.kind == kind), key=lambda net: net.depth)
        if len(nets) < 2:
            continue
        for score, name in (("train_error", "training"), ("validation_error", "test")):
            shallow, deep = (100 * found[net].history[-1][score] for net in (nets[0], nets[-1]))
            which = "worse" if deep > shallow else "better" if deep < shallow else "the same"
            agrees = "as in the paper" if which == expected else f"in the paper it is {expected}"
            said.append(
                f"- {nets[-1].label} is {which} than {nets[0].label} in {name} error "
                f"({deep:.2f} % against {shallow:.2f} %): {agrees}."
            )
    return said


def _last(found: TrainedNetwork) -> torch.nn.Module:
    """The network of the last step, not of the epoch that tested best."""
    saved = checkpoint.load(found.folder, LAST)
    assert saved is not None
    part = "network/"
    weights = {name.removeprefix(part): one for name, one in saved.tensors.items() if name.startswith(part)}
    network = build(found.plan)
    network.load_state_dict(weights)
    return network


def _images(test: Path, count: int) -> torch.Tensor:
    """(n, 3, h, w): the first test images as the networks see them."""
    files = pq.read_table(test, columns=["image"])["image"].slice(0, count).to_pylist()
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in files])
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path, help="a folder of images a class")
    parser.add_argument("data", type=Path, help="the folder of data: cifar10_test/")
    parser.add_argument("--to", type=Path, default=Path("cifar"), metavar="FOLDER", help="of runs and receipt")
    parser.add_argument("--depths", default=DEPTHS, type=lambda text: tuple(map(int, text.split(","))))
    parser.add_argument("--kinds", default=KINDS, type=lambda text: tuple(text.split(",")), help="of plain,A,B,C")
    parser.add_argument(
        "--two-cores", action="store_true", help="20 and 56 layers, with as many steps as there is time"
    )
    parser.add_argument("--minutes", type=float, default=60, help="of --two-cores")
    parser.add_argument("--preset", default="cifar-paper", help="or cifar-fast: fewer epochs; not with --two-cores")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Parse, call, show."""
    asked = options()
    depths = (20, 56) if asked.two_cores else asked.depths
    nets = [Net(depth, kind) for kind in asked.kinds for depth in depths]
    try:
        if asked.two_cores and asked.preset != "cifar-paper":
            raise Refused(f"--preset {asked.preset} with --two-cores, which has a schedule of its own: one of the two")
        preset, device = preset_named(asked.preset), asked.device
        if not (asked.data / TEST).is_file():
            raise NotFound(f"{asked.data / TEST}: not there; give the folder of data")
        if asked.two_cores:
            rows = len(listing_of(open_source(asked.train)).refs)
            names = [net.name for net in nets]
            chosen = schedule(names, rows, asked.to / "schedule.json", minutes=asked.minutes)
            preset, device = chosen.preset, "cpu"
            _tell(
                f"{preset.iterations:,} steps of {preset.batch} for each of {len(nets)} networks, {preset.precision}: "
                f"about {chosen.minutes:.0f} min"
            )
        found = run(
            asked.train, asked.data / TEST, asked.to, nets=nets, preset=preset, device=device, seed=asked.seed,
            tell=_tell,
        )  # fmt: skip
    except BodaError as error:
        raise SystemExit(f"resnet_cifar10: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
