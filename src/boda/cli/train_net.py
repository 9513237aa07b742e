"""boda train-net."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, spoken
from boda.cli.show import Said, Show, Table
from boda.counted import counted

if TYPE_CHECKING:
    from boda.pipelines.train_network import TrainedNetwork

_SETTINGS = ("epochs", "batch", "lr", "augmentation", "precision", "patience", "compiled")


@click.command("train-net", epilog="Example: boda train-net photos/ --net resnet20 --target class --to run")
@click.argument("source", type=PATH, required=False)
@click.option(
    "--net",
    default="resnet20",
    show_default=True,
    metavar="NAME",
    help="resnet20, ..., resnet50, ..., autoencoder; arguments ride on it: resnet20?shortcut=B",
)
@click.option("--target", metavar="COLUMN", help="As of boda train; of an autoencoder none is needed.")
@click.option(
    "--as",
    "target_kind",
    type=click.Choice(["number", "class", "ratings"]),
    help="What the target is. [default: told by its values]",
)
@click.option(
    "--preset", metavar="NAME", help="How it is trained: cifar-paper, ... [default: the fast one for the net]"
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the images.")
@click.option("--batch", type=click.IntRange(min=1), help="Images a step.")
@click.option("--lr", type=click.FloatRange(min=0, min_open=True), help="The highest learning rate.")
@click.option("--augmentation", metavar="NAME", help="A preset of boda augment; none.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="What the network computes in.")
@click.option("--patience", type=click.IntRange(min=1), help="End after so many epochs that were no better.")
@click.option("--compile", "compiled", is_flag=True, default=None, help="Compile the network first.")
@click.option(
    "--size", type=click.IntRange(min=8), metavar="PIXELS", help="Side of the images. [default: the net's own]"
)
@click.option("--channels", type=click.Choice(["1", "3"]), help="Of an autoencoder. [default: 1 where all are grey]")
@click.option(
    "--distance", type=click.Choice(["mse", "l1", "ssim"]), default="mse", show_default=True, help="Of an autoencoder."
)
@click.option("--noise", type=click.FloatRange(min=0), default=0.0, help="It has to take away such noise.")
@click.option(
    "--masked", type=click.FloatRange(min=0, max=1, max_open=True), default=0.0, help="It has to fill in such a share."
)
@click.option(
    "--classes-weight",
    type=click.FloatRange(min=0),
    default=0.0,
    help="With a target an autoencoder learns the images too, and classes by this weight beside them.",
)
@click.option(
    "--validation",
    default="0.1",
    show_default=True,
    metavar="SHARE|SOURCE",
    help="To choose the best epoch by: a share of the images, or other images.",
)
@click.option("--keep-epochs", metavar="NUMBERS", help="Networks to keep besides the best: 0,3,10; 0 as it began.")
@click.option("--groups", metavar="COLUMN", help="Rows that agree here are never on both sides.")
@click.option("--init", type=PATH, metavar="RUN", help="Begin with the weights of another run.")
@click.option("--no-swaps", is_flag=True, help="Flips change no class, whatever their names say.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@device_option
@click.option("--to", type=PATH, metavar="RUN", help="The folder. [default: NAME-NET in the current folder]")
@click.option("--resume", type=PATH, metavar="RUN", help="Go on with a run that is there; alone it is enough.")
@click.option("--tensorboard", is_flag=True, help="Write its event files too.")
@spoken
@click.pass_obj
def train_net(
    show: Show,
    /,
    source: str | None,
    *,
    channels: str | None,
    no_swaps: bool,
    validation: str,
    keep_epochs: str | None,
    **options: Any,
) -> None:
    """Train a network from pixels; afterwards it is an encoder. Stop it anywhere and run it again."""
    import boda
    from boda.training.objective import Objective

    settings = {name: value for name in _SETTINGS if (value := options.pop(name)) is not None}
    objective = Objective(**{name: options.pop(name) for name in ("distance", "noise", "masked", "classes_weight")})
    found = boda.train_network(
        source,
        settings=settings or None,
        objective=None if objective == Objective() else objective,
        channels=None if channels is None else int(channels),
        validation=_share_or_source(validation),
        keep_epochs=_numbers(keep_epochs or ""),
        flip_pairs=() if no_swaps else None,
        progress=show.progress,
        **options,
    )
    show(found, lambda: _say(found))


def _share_or_source(text: str) -> float | str:
    """A number is a share, all else is where other images are."""
    try:
        return float(text)
    except ValueError:
        return text


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise click.UsageError(f"--keep-epochs {text}: whole numbers with commas between, as 0,3,10") from error


def _say(found: "TrainedNetwork") -> Iterator[Said]:
    from boda.keys import shown

    best = found.best
    chosen = f"{found.validation:,} to choose the epoch by"
    yield f"{found.plan.name}: {_what(found)}, from {found.training:,} images; {chosen}"
    changes = ", ".join(f"{name} {shown(str(value))}" for name, value in found.preset.changes().items())
    yield f"trained as {shown(found.preset.name)}{changes and f', but {changes}'}"
    if found.taken is not None:
        yield f"begun with {found.taken[0]} of {found.taken[1]} tensors of the other run"
    for why, count in found.left_out.items():
        yield f"left out, {why}: {count:,}"
    if found.shared:
        shared = counted(found.shared, "image that chooses the epoch is", "images that choose the epoch are")
        yield f"{shared} learned from too, byte for byte"
    if found.small is not None:
        small = found.small
        yield (
            f"{counted(small.count, 'image is', 'images are')} smaller than the {found.plan.size[0]} pixels that the "
            f"network sees, and enlarged; the smallest, {shown(small.smallest)}, is {small.side}"
        )
    if found.unreadable:
        unreadable = counted(found.unreadable, "image")
        yield f"{unreadable} could not be used: {shown(str(found.folder / 'unreadable.csv'))}"
    scores = [name.removeprefix("validation_") for name in best if name.startswith("validation_")]
    yield Table(
        ("epoch", *(f"{part} {name}" for name in scores for part in ("train", "validation"))),
        [_row(row, scores) for row in _some(found.history)],
    )
    chose = "" if found.validation_source is None else f" of {shown(found.validation_source)}"
    yield f"best: epoch {best['epoch']:.0f}, by the validation {found.primary}{chose}, which is no test"
    yield f"curves: {shown(str(found.folder / 'curves.png'))}"
    yield f"encoder: {shown(found.encoder)}"
    if found.head is not None:
        yield f"head: {shown(str(found.head))}"


def _what(found: "TrainedNetwork") -> str:
    from boda.keys import shown

    if found.target is None:
        return "the images themselves"
    return f"{len(found.classes)} classes" if found.kind == "class" else f"{shown(found.target)} ({found.kind})"


def _row(row: Any, scores: list[str]) -> list[float | int]:
    return [int(row["epoch"]), *(row[f"{part}_{name}"] for name in scores for part in ("train", "validation"))]


def _some(history: Any) -> list[Any]:
    """The first, the last, and some between."""
    if len(history) <= 8:
        return list(history)
    return [history[round(place * (len(history) - 1) / 7)] for place in range(8)]
