"""boda doctor."""

import click

from boda.cli.errors import FAILED
from boda.cli.options import spoken, workspace_argument
from boda.cli.show import Show


@click.command(epilog="Example: boda doctor photos.boda --deep")
@workspace_argument
@click.option("--deep", is_flag=True, help="Read and hash every stored byte again.")
@click.option("--repair", is_flag=True, help="Forget damaged rows, so that boda embed computes just these again.")
@spoken
@click.pass_context
def doctor(context: click.Context, workspace: str, *, deep: bool, repair: bool) -> None:
    """Check whether the workspace W is whole. Exit 1 where something is damaged; without --repair nothing changes."""
    import boda
    from boda.keys import shown

    show: Show = context.obj
    found = boda.doctor(workspace, deep=deep, repair=repair)
    show(found, found.lines)
    if not found.whole:
        show.error(f"{shown(found.workspace)}: {len(found.damage)} damaged; {shown(found.damage[0].action)}")
        context.exit(FAILED)
