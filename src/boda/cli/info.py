"""boda info."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Said, Show, Table, reasons_table
from boda.counted import counted

if TYPE_CHECKING:
    from boda.pipelines.info import Info, KeptResult


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

    images = f"{counted(info.images, 'image')} of {shown(info.source or 'no source')}"
    yield f"{shown(info.workspace)}: {images}, {size(info.bytes)}"
    if info.read_only:
        yield f"cannot be written here: {shown(info.read_only)}"
    if info.recipes:
        yield Table(
            ("features", "recipe", "precision", "width", "embedded", "quarantined"),
            [[shown(r.name), r.id, r.precision, r.width, r.embedded, r.quarantined] for r in info.recipes],
        )
    for kind in dict.fromkeys(result.kind for result in info.results):
        yield _results_table(kind, [result for result in info.results if result.kind == kind])
    if info.columns:
        yield f"columns: {', '.join(shown(column) for column in info.columns)}"
    if info.reasons:
        yield reasons_table(info.reasons)
    if info.last_run:
        yield f"last run: {info.last_run}"


def _results_table(kind: str, results: "Sequence[KeptResult]") -> Table:
    """Names, and what their summaries say in one word or number, also one level down."""
    told = [dict(_plain(result.summary)) for result in results]
    columns = dict.fromkeys(name for one in told for name in one)
    rows = [
        [result.name, *(_cell(one.get(name)) for name in columns)] for result, one in zip(results, told, strict=True)
    ]
    return Table((kind, *map(_text, columns)), rows)


def _plain(summary: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in summary.items():
        match value:
            case dict():
                yield from ((inner, said) for inner, said in value.items() if not isinstance(said, dict | list))
            case list():
                pass
            case _:
                yield name, value


def _cell(value: Any) -> str | int | float | None:
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float() | None:
            return value
        case str():
            return _text(value)
    raise TypeError(f"a cell holds one word or number, not {type(value).__name__}")


def _text(text: str) -> str:
    from boda.keys import shown

    return shown(text[:40]) + ("..." if len(text) > 40 else "")
