"""boda search."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, force_option, recipe_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.search import Found


@click.command(epilog="Example: boda search photos.boda --row cats/tom.jpg -k 10")
@workspace_argument
@click.option("--row", metavar="KEY", help="An image of the workspace; it is no hit itself, its copies are.")
@click.option("--image", type=PATH, metavar="FILE", help="Any image file; it is embedded as the workspace was.")
@click.option("--text", metavar="WORDS", help="Words, where the encoder has a text side, as open_clip's have.")
@click.option("-k", type=click.IntRange(min=1), default=20, show_default=True, help="How many images.")
@recipe_option
@click.option(
    "--encoder", metavar="NAME", help="With --image or --text: what made the features, where they do not say it."
)
@click.option("--weights", type=PATH, metavar="FILE", help="With these: the weights the features were made with.")
@device_option
@click.option("--to", type=PATH, metavar="FILE.png", help="The contact sheet. [default: in NAME-search/ beside W]")
@force_option
@spoken
@click.pass_obj
def search(show: Show, /, workspace: str, row: str | None, image: str | None, text: str | None, **options: Any) -> None:
    """Find the images most like one image, or nearest to a text, and draw them on a contact sheet. Exact."""
    import boda

    if sum(one is not None for one in (row, image, text)) != 1:
        raise click.UsageError("Give either --row KEY or --image FILE or --text WORDS.")
    found = boda.search(workspace, row=row, image=image, text=text, **options)
    show(found, lambda: _say(found))


def _say(found: "Found") -> Iterator[Said]:
    from boda.keys import shown

    pairs = zip(found.hits.keys, found.hits.likeness, strict=True)
    yield Table(("", "key", "likeness"), [[i, shown(key), float(value)] for i, (key, value) in enumerate(pairs, 1)])
    yield f"Sheet: {shown(str(found.sheet))}"
