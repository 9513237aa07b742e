"""boda augment."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, force_option, spoken
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.augment import Views


@click.command(epilog="Example: boda augment cat.jpg --preset notebook --show")
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE...")
@click.option(
    "--preset",
    required=True,
    metavar="NAME",
    help="none, flip, cifar, imagenet, inception, notebook, galaxies, randaugment-2-9, autoaugment, "
    "autoaugment-cifar10, trivial, erasing, mixup, cutmix; several joined by +; with settings, as notebook?fill=0.",
)
@click.option("--show", "sheet", is_flag=True, help="Write a contact sheet of what the network will see.")
@click.option("--to", type=PATH, metavar="FILE.png", help="Write it here. [default: in NAME-augment/ here]")
@click.option("--count", type=click.IntRange(1, 1000), default=12, show_default=True, help="How often it is seen.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the training.")
@click.option("--size", type=click.IntRange(1, 65535), metavar="PIXELS", help="Side of the network's input.")
@force_option
@spoken
@click.pass_obj
def augment(show: Show, /, images: tuple[str, ...], sheet: bool, **options: Any) -> None:  # noqa: FBT001
    """Say what an augmentation does to training images, and show what the network will see.

    View 1 is what it sees in the first epoch, view 2 in the second. Several images take turns; mixup and cutmix need
    several. Only training images are ever augmented: never those that are tested on, nor features.
    """
    import boda

    views = boda.augment(images, show=sheet, **options)
    show(views, lambda: _say(views))


def _say(views: "Views") -> Iterator[Said]:
    from boda.keys import shown

    steps = views.augmentation.steps
    if steps:
        yield Table(("", "step", "settings"), [[i, step.name, step.settings()] for i, step in enumerate(steps, 1)])
    shape = views.augmentation.shape
    yield f"What comes out: {shape[0]}x{shape[1]} pixels" if shape else "What comes out: images of the same size"
    if views.sheet is not None:
        yield f"Sheet: {shown(str(views.sheet))}"
