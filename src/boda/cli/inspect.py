"""boda inspect."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, force_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table
from boda.counted import counted

if TYPE_CHECKING:
    from boda.pipelines.inspect import Inspection

_CHECKS = ("duplicates", "outliers", "labels", "quality")


def _listed(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names with commas between."""
    names = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    if wrong := [name for name in names if name not in _CHECKS]:
        raise click.BadParameter(f"{wrong[0]!r} is none of {', '.join(_CHECKS)}")
    return names


@click.command(epilog="Example: boda inspect photos.boda --labels species")
@workspace_argument
@click.option("--labels", metavar="COLUMN", help="A column of classes, to look for wrong ones.")
@click.option(
    "--recipe",
    multiple=True,
    metavar="ID",
    help="Which features: id, its beginning, or encoder; several judge labels together. [default: the latest]",
)
@click.option("--only", metavar="CHECKS", callback=_listed, help=f"Some of {','.join(_CHECKS)}. [default: all]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of folds and samples.")
@click.option("--to", type=PATH, metavar="DIR", help="Table, sheets and page. [default: NAME-inspect/ beside W]")
@force_option
@spoken
@click.pass_obj
def inspect(show: Show, /, workspace: str, **options: Any) -> None:
    """Find copies, outliers, probably wrong labels and poor pictures, each with its reason."""
    import boda

    found = boda.inspect(workspace, **options)
    show(found, lambda: _say(found))


def _say(found: "Inspection") -> Iterator[Said]:
    from boda.keys import shown

    yield f"{counted(len(found.keys), 'image')}, {found.decoded:,} decoded for their pixels"
    yield Table(
        ("finding", "images", "groups", "looked at", "first"),
        [
            [
                one.name,
                len(one.images),
                one.groups or None,
                one.judged,
                shown(one.images[0].key) if one.images else None,
            ]
            for one in found.findings
        ],
    )
    notes = {note: finding.name for finding in reversed(found.findings) for note in reversed(finding.notes)}
    for note, name in reversed(notes.items()):
        yield f"{name}: {note}"
    for name, why in found.skipped.items():
        yield f"not looked at, {name}: {why}"
    yield f"page: {shown(str(found.page))}"
