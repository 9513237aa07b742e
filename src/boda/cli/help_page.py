"""The page docs/help.md: what `--help` says, for every command.

Write it with: python -m boda.cli.help_page docs/help.md
"""

import sys
from pathlib import Path

import click

from boda.cli.main import COMMANDS, cli

_WIDTH = 100


def help_page() -> str:
    """The page as Markdown."""
    root = click.Context(cli, info_name="boda", terminal_width=_WIDTH, max_content_width=_WIDTH)
    parts = [
        "# Every command\n",
        "Made from `--help` by `python -m boda.cli.help_page docs/help.md`; a test compares the two.\n",
        _block("boda", cli.get_help(root)),
    ]
    for name in COMMANDS:
        command = cli.get_command(root, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=root, terminal_width=_WIDTH, max_content_width=_WIDTH)
        parts.append(_block(f"boda {name}", command.get_help(context)))
    return "\n".join(parts)


def _block(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text}\n```\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(help_page(), "utf-8")
