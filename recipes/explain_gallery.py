"""Explanations of real networks and heads: a gallery of each, and which method beats a blob in the middle.

Score   see explain_gallery.md
Data    DATA/weights, DATA/imagenet_photos, DATA/cifar10_test, DATA/galaxies_gz2, DATA/oasis_ratings, DATA/houses,
        DATA/fashion_mnist
Run     python recipes/explain_gallery.py DATA --to explained/
        python recipes/explain_gallery.py DATA --to explained/ --run fashion/published/published-0 --only clothes

Each part has a folder with a page, a sheet, overlays and maps (`gallery/`) and the ranking of the methods on more
images (`ranking/`). Images are drawn by the seed, none is picked. A part that is done is not done again.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from boda.errors import BodaError
from explained import questions
from explained.attending import attended, drawn_vit
from explained.looking import LOOKED, Amount, Methods, Question, looked
from explained.questions import Here
from explained.saying import moved_table, part_table, part_words, refusals, sums_table
from explained.showing import gallery_picture
from pretrained_topk import CIFAR
from runs.receipt import footer, write

LARGE = Methods(("grad-cam", "deeplift"), ("grad-cam", "layer-cam", "gradient", "deeplift"))
"""Of images of 224 pixels: methods of few passes. A map by integrated gradients or occlusion costs hundreds."""
SMALL = Methods(
    ("grad-cam", "integrated-gradients", "occlusion"),
    ("grad-cam", "grad-cam++", "layer-cam", "cam", "gradient", "gradient-times-input", "smoothgrad", "deeplift",
     "integrated-gradients", "occlusion", "attention"),
)  # fmt: skip
"""Of images of 28 or 32 pixels."""
VIT = "vit_tiny_patch16_224"


@dataclass(frozen=True, slots=True)
class Part:
    """One score of one network."""

    title: str
    asked: Callable[[Here], Question]
    methods: Methods

    @property
    def amount(self) -> Amount:
        """Images that two cores explain and rank in a few minutes."""
        return Amount(3, 8) if self.methods is LARGE else Amount(4, 10)


PARTS: Mapping[str, Part] = {
    "auto": Part("Photographs, `auto`: the likeliest class", partial(questions.photographs, network="auto"), LARGE),
    "mobilenet": Part(
        "Photographs, MobileNetV2: the likeliest class", partial(questions.photographs, network="mobilenet"), LARGE
    ),
    **{
        f"resnet{depth}": Part(
            f"CIFAR-10, resnet{depth}: the likeliest class", partial(questions.cifar, depth=depth), SMALL
        )
        for depth in CIFAR
    },
    "merger": Part("Galaxies: a head that says merger", questions.merger, LARGE),
    "smooth": Part("Galaxies: a head of votes, the fraction that says smooth", questions.smooth, LARGE),
    "valence": Part("OASIS: a regression of valence", questions.valence, LARGE),
    "price": Part("Houses: log10 of the price, from photographs and numbers", questions.price, LARGE),
    "hit": Part("OASIS: why an image is a hit", questions.hit, LARGE),
    "clothes": Part("Fashion-MNIST: a cluster of autoencoder features", questions.clothes, SMALL),
}
ATTENTION = "vit"
"""The part that is no score: a transformer of drawn weights."""


def run(
    data: Path,
    to: Path,
    *,
    parts: Sequence[str] = (*PARTS, ATTENTION),
    autoencoder: Path | None = None,
    amount: Amount | None = None,
    seed: int = 0,
    vit: str = VIT,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Explain, rank and say what was found, part by part.

    Args:
        data: the folder of data.
        to: where workspaces, galleries, rankings and receipt go.
        parts: of `PARTS`, and `ATTENTION`.
        autoencoder: folder of a trained one; None: one is trained.
        amount: how many images; None: as many as each part says.
        seed: of the images, of noise, random maps and random weights.
        vit: a vision transformer of timm.
        tell: is told where it is.

    Returns:
        The receipt.
    """
    began = time.perf_counter()
    here = Here(data, to, autoencoder)
    texts, before = [], 0.0
    for name in parts:
        if name == ATTENTION:
            texts.append(_attention(here, vit, amount or Amount(), seed))
        else:
            there = (to / name / LOOKED).is_file()
            text, seconds = _part(here, name, amount, seed)
            before += seconds if there else 0.0
            texts.append(text)
        tell(f"{name} is done")
    return "\n".join((*texts, footer(time.perf_counter() - began + before, [seed], of="images")))


def _part(here: Here, name: str, amount: Amount | None, seed: int) -> tuple[str, float]:
    """Its section of the receipt, and the seconds that it took."""
    part = PARTS[name]
    found = looked(partial(part.asked, here), here.to / name, part.methods, amount or part.amount, seed)
    refused = "".join(f"- {method}: {why}\n" for method, why in refusals(found).items())
    texts = (f"## {part.title}\n", part_words(found), part_table(found), refused, moved_table(found))
    return "\n".join(text for text in texts if text), found["seconds"]


def _attention(here: Here, model: str, amount: Amount, seed: int) -> str:
    encoder = drawn_vit(model, here.to, seed)
    images = here.data / "imagenet_photos" / "images.tar"
    found = attended(encoder, images, here.to / ATTENTION, count=amount.explained, seed=seed)
    return f"## {model} with weights drawn by seed {seed}: shapes and sums only\n\n{sums_table(found)}"


def pictures(to: Path, parts: Sequence[str]) -> dict[str, bytes]:
    """By name, the pictures of the page: the first image of each part, and of networks for small images the second."""
    named = {
        "explain_gallery.webp": (LARGE, (1,), 2),
        "explain_gallery_small.webp": (SMALL, (1, 2), 2),
    }
    found = {}
    for name, (methods, places, columns) in named.items():
        there = {one: to / one for one in parts if one in PARTS and PARTS[one].methods is methods}
        if there:
            found[name] = gallery_picture(there, methods.shown, places=places, columns=columns)
    return found


def main() -> None:
    """Parse, call, show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of data")
    parser.add_argument("--to", type=Path, default=Path("explained"), metavar="FOLDER", help="of all that is written")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="a trained autoencoder of Fashion-MNIST")
    parser.add_argument("--only", nargs="+", choices=(*PARTS, ATTENTION), default=[*PARTS, ATTENTION], metavar="PART")
    parser.add_argument("--maps-only", action="store_true", help="no checks and no ranking: a fraction of the time")
    parser.add_argument("--seed", type=int, default=0, help="of the images that are drawn")
    asked = parser.parse_args()
    try:
        found = run(
            asked.data,
            asked.to,
            parts=asked.only,
            autoencoder=asked.run,
            amount=Amount(ranked=0) if asked.maps_only else None,
            seed=asked.seed,
            tell=lambda line: print(line, file=sys.stderr, flush=True),
        )
        for name, data in pictures(asked.to, asked.only).items():
            write(asked.to / name, data)
    except BodaError as error:
        raise SystemExit(f"explain_gallery: {error}") from error
    write(asked.to / "receipt.md", found.encode())
    print(found)


if __name__ == "__main__":
    main()
