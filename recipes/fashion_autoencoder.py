"""Fashion-MNIST: 784 pixels through 512 numbers and back.

Score   see fashion_autoencoder.md
Data    60,000 images of clothes to learn from and 10,000 others, 28 x 28 grey pixels (Xiao, Rasul and Vollgraf,
        arXiv:1708.07747): DATA/fashion_mnist
After   the published experiment: mean squared errors of .0030 (training) and .0032 (validation) after 10 epochs;
        there wider networks beat deeper ones, and BatchNorm did not help
Run     python recipes/fashion_autoencoder.py DATA --to fashion/
        python recipes/fashion_autoencoder.py DATA --to fashion/ --ablation-rows 10000     a shorter ablation

The 10,000 are the validation images that the publication speaks of: nothing is learned from them, but they choose the
best epoch, whose network is kept and judged. Errors are quoted after the last epoch, which nobody chose. Every run is a
folder; the same command goes on with what was stopped.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import boda
from autoencoders.idx import Idx, first_rows, found
from autoencoders.judging import Judge, Worth
from autoencoders.pca import pca
from autoencoders.runs import Runs, curve, spread
from boda.encoders.base import Encoder
from boda.errors import BodaError
from boda.models.plan import build
from boda.pictures.sheet import write_sheet
from boda.pipelines.networks import showing
from boda.pipelines.train_network import TrainedNetwork
from boda.workspace.workspace import Workspace
from runs.receipt import footer, table, write

TRAINING, VALIDATION = 0.0030, 0.0032
"""Published mean squared errors after 10 epochs."""
PRESET = "autoencoder-fast"
PUBLISHED = "published"
WAYS = {
    PUBLISHED: "autoencoder",
    "shallower: one halving": "autoencoder?stages=32",
    "deeper: three halvings": "autoencoder?stages=32-128-256",
    "deeper: two convolutions a stage": "autoencoder?depth=2",
    "deeper: three convolutions a stage": "autoencoder?depth=3",
    "narrower: 16 and 64 channels": "autoencoder?stages=16-64",
    "wider: 64 and 256 channels": "autoencoder?stages=64-256",
    "128 features": "autoencoder?features=128",
    "1,024 features": "autoencoder?features=1024",
    "BatchNorm": "autoencoder?batch_norm=true",
}
"""Networks that differ from the published one in one thing."""
_PIXELS = 28 * 28
_SHOWN = (0, 1, 3)
"""Epochs whose reconstructions are drawn, beside the last."""


@dataclass(frozen=True, eq=False)
class Way:
    """A network, trained once a seed."""

    name: str
    runs: tuple[TrainedNetwork, ...]

    @property
    def width(self) -> int:
        """Numbers that an image becomes."""
        return int(build(self.runs[0].plan).shape.features)

    @property
    def parameters(self) -> int:
        """All that is learned."""
        return sum(one.numel() for one in build(self.runs[0].plan).parameters())

    def last(self, score: str) -> npt.NDArray[np.float64]:
        """(s,) after the last epoch."""
        return curve(self.runs, score)[:, -1]


def run(
    data: Path,
    to: Path,
    *,
    epochs: int = 10,
    seeds: int = 3,
    rows: int | None = None,
    ablation_rows: int | None = None,
    ways: Mapping[str, str] = WAYS,
    device: str = "auto",
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Train the published form and its variants, judge their features beside simple ones, draw.

    Args:
        data: the folder of data; `fashion_mnist` is used.
        to: where runs, pictures and receipt go.
        epochs: of every run.
        seeds: how many: 0, 1, ...
        rows: training images, the first ones, and a sixth as many to validate on, at least 100; None: all.
        ablation_rows: training images of the variants, and of the published form beside them; None: as `rows`.
        ways: networks by name; the first is the published one.
        device: as of `boda.train_network`.
        tell: is told where it is.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    train = first_rows(found(data / "fashion_mnist", "train"), rows, to / "rows")
    test = first_rows(found(data / "fashion_mnist", "t10k"), None if rows is None else max(100, rows // 6), to / "rows")
    settings = {"epochs": epochs}
    shown = sorted({epoch for epoch in _SHOWN if epoch < epochs} | {0, epochs})
    published = Way(
        PUBLISHED,
        tuple(
            Runs(to / "published", train, test, device, tell).trained(
                PUBLISHED, ways[PUBLISHED], preset=PRESET, settings=settings, seed=seed, keep_epochs=shown
            )
            for seed in range(seeds)
        ),
    )
    fewer = train if ablation_rows is None else first_rows(train, ablation_rows, to / f"rows-{ablation_rows}")
    variants = [published] if ablation_rows is None else []
    for name, net in ways.items():
        if name == PUBLISHED and variants:
            continue
        runs = Runs(to / "ablation", fewer, test, device, tell)
        label = "".join(sign if sign.isalnum() else "-" for sign in name)
        trained = (runs.trained(label, net, preset=PRESET, settings=settings, seed=seed) for seed in range(seeds))
        variants.append(Way(name, tuple(trained)))
    workspace, ids = _embedded(to, test, {published.name: published, **{f"a {one.name}": one for one in variants}})
    judge = Judge(to / "judged.json", np.array(workspace.frame()["label"].to_pylist()))

    def worth(names: Sequence[str]) -> list[Worth]:
        return [judge.worth(name, lambda name=name: workspace.features(name).array) for name in names]

    judged = {one.name: worth(ids[f"a {one.name}"]) for one in variants}
    tell("features are judged")
    _draw(to, published, workspace, shown)
    return "\n".join(
        (
            _published(published),
            _ablation(variants, judged),
            _baselines(train, test, published, variants, judge, worth(ids["random"]), worth(ids[published.name])),
            footer(time.perf_counter() - began, range(seeds), of="weights and order"),
        )
    )


def _embedded(to: Path, test: Idx, ways: Mapping[str, Way]) -> tuple[Workspace, dict[str, list[str]]]:
    """The validation images with the features of every run, and of the published form as it began."""
    encoders: dict[str, list[Encoder]] = {
        name: [boda.load_encoder(one.encoder, precision="fp32") for one in way.runs] for name, way in ways.items()
    }
    encoders["random"] = [
        boda.load_encoder(one.encoder, weights=one.folder / "epoch-0000.safetensors", precision="fp32")
        for one in ways[PUBLISHED].runs
    ]
    each = {encoder.recipe.id: encoder for group in encoders.values() for encoder in group}
    workspace = boda.embed(test.images, encoders=list(each.values()), to=to / "validation.boda")
    return workspace, {name: [encoder.recipe.id for encoder in group] for name, group in encoders.items()}


def _published(way: Way) -> str:
    """Errors after each epoch beside the published ones."""
    training, validation = (curve(way.runs, score) for score in ("train_loss", "validation_loss"))
    epochs = training.shape[1]
    rows = [
        [
            f"{epoch}",
            spread(training[:, epoch - 1]),
            f"{TRAINING:.4f}" if epoch == 10 else "",
            spread(validation[:, epoch - 1]),
            f"{VALIDATION:.4f}" if epoch == 10 else "",
        ]
        for epoch in range(1, epochs + 1)
    ]
    best = ", ".join(f"{one.best['epoch']:.0f}" for one in way.runs)
    header = table(["epoch", "training", "published", "validation", "published"], rows)
    return (
        f"## The published form\n\n{way.runs[0].training:,} training images, {way.runs[0].validation:,} validation "
        f"images, {len(way.runs)} seeds; mean squared error of pixels from 0 to 1. Training errors are those met while "
        f"learning, the mean over the epoch.\n\n{header}\nKept is the best epoch by the validation images, chosen on "
        f"them: {best} of {epochs}.\n"
    )


def _ablation(variants: Sequence[Way], judged: Mapping[str, Sequence[Worth]]) -> str:
    """Every variant, and its difference from the published form, seed by seed."""
    base = variants[0].last("validation_loss")
    rows = [
        [
            way.name,
            f"{way.width:,}",
            f"{way.parameters / 1e6:.2f}",
            spread(way.last("train_loss")),
            spread(way.last("validation_loss")),
            "" if way is variants[0] else spread(way.last("validation_loss") - base, sign="+"),
            *_worths(judged[way.name]),
        ]
        for way in variants
    ]
    header = ["network", "features", "million parameters", "training", "validation", "less published", *_WORTH]
    return (
        f"## Depth, width, BatchNorm\n\n{variants[0].runs[0].training:,} training images, "
        f"{len(base)} seeds, {len(variants[0].runs[0].history)} epochs; differences are within seeds, and negative "
        f"where a network is better.\n\n{table(header, rows)}"
    )


_WORTH = ("linear head, %", "clusters, ARI")


def _worths(found: Sequence[Worth]) -> list[str]:
    return [spread([100 * one.accuracy for one in found], 1), spread([one.ari for one in found], 3)]


def _baselines(
    train: Idx,
    test: Idx,
    published: Way,
    variants: Sequence[Way],
    judge: Judge,
    random: Sequence[Worth],
    learned: Sequence[Worth],
) -> str:
    """Raw pixels, principal components of as many numbers, and the encoder that learned nothing."""
    pixels, held = train.pixels(), test.pixels()
    components = pca(pixels)
    raw = judge.worth("pixels", lambda: held.reshape(len(held), -1) / 255)
    rows = [["raw pixels", f"{_PIXELS}", "0", "0", *_worths([raw])]]
    for width in sorted({way.width for way in (published, *variants) if way.width < _PIXELS}):
        name = f"pca-{width}-of-{len(pixels)}"
        worth = judge.worth(name, lambda width=width: components.features(held, width))
        errors = [f"{components.error(part, width):.4f}" for part in (pixels, held)]
        rows.append([f"{width} principal components", f"{width}", *errors, *_worths([worth])])
    rows.append(["published form, nothing learned", f"{published.width}", "", "", *_worths(random)])
    errors = [spread(published.last(score)) for score in ("train_loss", "validation_loss")]
    rows.append(["published form", f"{published.width}", *errors, *_worths(learned)])
    header = ["features", "numbers", "training", "validation", *_WORTH]
    return (
        "## Beside simpler features\n\nA linear head tells each half of the validation images by what the other half "
        f"taught; the index compares 10 clusters with the classes.\n\n{table(header, rows)}"
    )


def _draw(to: Path, published: Way, workspace: Workspace, epochs: Sequence[int]) -> None:
    """What the network of the first seed gives back, and what its features look like."""
    run, keys = published.runs[0].folder, workspace.keys()
    pictures: dict[str, Image.Image] = {
        "reconstructions": showing.reconstructions(run, workspace, epochs=epochs),
        "centres": showing.centres(run, workspace),
        "traversal": showing.traversal(run, workspace, keys[1]),
        "interpolation": showing.interpolation(run, workspace, keys[0], keys[1]),
    }
    for name, picture in pictures.items():
        write_sheet(picture, to / f"{name}.png", mark="fashion_autoencoder")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data: fashion_mnist/")
    parser.add_argument("--to", type=Path, default=Path("fashion"), metavar="FOLDER", help="of runs and receipt")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3, metavar="COUNT")
    parser.add_argument("--rows", type=int, metavar="COUNT", help="only so many training images")
    parser.add_argument("--ablation-rows", type=int, metavar="COUNT", help="only so many of the variants")
    parser.add_argument("--device", default="auto")
    asked = vars(parser.parse_args())
    data, to = asked.pop("data"), asked.pop("to")
    try:
        receipt = run(data, to, **asked, tell=_tell)
    except BodaError as error:
        raise SystemExit(f"fashion_autoencoder: {error}") from error
    write(to / "receipt.md", receipt.encode())
    print(receipt)


if __name__ == "__main__":
    main()
