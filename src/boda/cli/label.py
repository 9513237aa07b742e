"""boda label."""

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Show


@click.command(epilog="Example: boda label photos.boda --from ratings.csv")
@workspace_argument
@click.option("--from", "table", type=PATH, required=True, metavar="TABLE", help=".csv, .tsv, .jsonl or .parquet")
@click.option("--column", metavar="COLUMN", help="The joining column, where it is none of the usual ones.")
@click.option("--name", metavar="NAME", help="Of this set of columns. [default: the name of the table's file]")
@spoken
@click.pass_obj
def label(show: Show, /, workspace: str, table: str, column: str | None, name: str | None) -> None:
    """Join the columns of a table to the images of the workspace W, by key, file name or stem.

    Joining the same set again replaces it. Features are not touched.
    """
    import boda

    joined = boda.label(workspace, from_table=table, column=column, name=name)
    show(joined, joined.lines)
