"""boda export."""

import click

from boda.cli.options import PATH, force_option, recipe_option, spoken, workspace_argument
from boda.cli.show import Show


@click.command(epilog="Example: boda export photos.boda --to photos.parquet")
@workspace_argument
@click.option(
    "--to",
    type=PATH,
    required=True,
    metavar="FILE",
    help="Its ending decides: .parquet, .csv, .jsonl, .npy (keys in a .keys.jsonl beside it), .lance",
)
@recipe_option
@click.option("--spreadsheet-safe", is_flag=True, help="In CSV, put ' before text that a spreadsheet would run.")
@force_option
@spoken
@click.pass_obj
def export(show: Show, /, workspace: str, to: str, recipe: str | None, *, spreadsheet_safe: bool, force: bool) -> None:
    """Write keys, columns and features of the workspace W as a table. Whole, or not at all."""
    import boda

    written = boda.export(workspace, to=to, recipe=recipe, spreadsheet_safe=spreadsheet_safe, force=force)
    show(written, written.lines)
