"""boda info."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Said, Show, Table, reasons_table

if TYPE_CHECKING:
    from boda.pipelines.info import Info


@click.command(epilog="Example: boda info photos.boda --source /mnt/new/photos")
@workspace_argument
@click.option("--source", type=PATH, metavar="NEW", help="Where the images are now, after they were moved.")
@spoken
@click.pass_obj
def info(show: Show, /, workspace: str, source: str | None) -> None:
    """Say what is inside the workspace W."""
    import boda

    found = boda.info(workspace, source=source)
    show(found, lambda: _say(found))


def _say(info: "Info") -> Iterator[Said]:
    from boda.cli.progress import size
    from boda.keys import shown

    yield f"{shown(info.workspace)}: {info.images:,} images of {shown(info.source or 'no source')}, {size(info.bytes)}"
    if info.read_only:
        yield f"cannot be written here: {shown(info.read_only)}"
    if info.recipes:
        yield Table(
            ("features", "recipe", "precision", "width", "embedded", "quarantined"),
            [[shown(r.name), r.id, r.precision, r.width, r.embedded, r.quarantined] for r in info.recipes],
        )
    if info.columns:
        yield f"columns: {', '.join(shown(column) for column in info.columns)}"
    if info.reasons:
        yield reasons_table(info.reasons)
    if info.last_run:
        yield f"last run: {info.last_run}"
