"""boda quarantine."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from boda.cli.options import PATH, force_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.quarantine import QuarantineList


@click.command(
    epilog="Examples: boda quarantine photos.boda list · boda quarantine photos.boda export bad.csv · "
    "boda quarantine photos.boda retry",
)
@workspace_argument
@click.argument("action", type=click.Choice(["list", "export", "retry"]), default="list")
@click.argument("rest", nargs=-1, type=PATH, metavar="[TABLE | KEY...]")
@force_option
@spoken
@click.pass_obj
def quarantine(show: Show, /, workspace: str, action: str, rest: tuple[str, ...], *, force: bool) -> None:
    """Show what could not be used and why.

    `list` prints it, `export TABLE` writes it as .csv, .jsonl or .parquet, and `retry [KEY...]` forgets it, so that
    the next `boda embed` tries these images again.
    """
    from boda.pipelines.quarantine import export_quarantine, quarantine, retry_quarantined

    match action:
        case "list":
            if rest:
                raise click.UsageError("`list` takes nothing more.")
            found = quarantine(workspace)
            show(found, lambda: _say(found))
        case "export":
            if len(rest) != 1:
                raise click.UsageError("`export` takes one table to write: bad.csv, bad.jsonl or bad.parquet.")
            written = export_quarantine(workspace, to=rest[0], force=force)
            show(written, written.lines)
        case "retry":
            forgotten = retry_quarantined(workspace, keys=rest or None)
            show(forgotten, forgotten.lines)


def _say(found: "QuarantineList") -> Iterator[Said]:
    from boda.keys import shown

    if not found.rows:
        yield f"{shown(found.workspace)}: nothing is quarantined"
        return
    rows = [[shown(row.key), row.recipe or "all", row.code, shown(row.reason)] for row in found.rows]
    yield Table(("key", "recipe", "why", "reason"), rows)
