"""The page of help in the documentation is what `--help` says."""

from pathlib import Path

import click
import pytest

from boda.cli.help_page import help_page
from boda.cli.main import COMMANDS, cli

PAGE = Path(__file__).parents[2] / "docs" / "help.md"


def test_the_page_is_up_to_date():
    """docs/help.md equals the generated page; renew it with: python -m boda.cli.help_page docs/help.md"""
    assert PAGE.read_text("utf-8") == help_page()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_the_three_switches(name):
    """--help ends with an example, and --json, -q and -v are there."""
    command = cli.get_command(click.Context(cli), name)
    assert f"boda {name}" in command.epilog
    assert {"--json", "-q", "-v"} <= {flag for parameter in command.params for flag in parameter.opts}
    assert command.help
