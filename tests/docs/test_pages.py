"""What the pages show is what happens, and they leave no command and no option out."""

import re
from pathlib import Path

import click
import pytest
import run_docs

from boda.cli.main import COMMANDS, cli

ROOT = Path(__file__).resolve().parent.parent.parent
HOW_TO = ROOT / "docs" / "how-to"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SECONDS = {"README": 200, "explain": 90, "explanations": 60, "inspect": 60, "train-net": 60}
"""That pages take, where it is long."""
SHARED = {"--help", "--json", "--quiet", "--verbose", "-q", "-v"}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """The folder in which pages are run; what they begin with is made once."""
    return run_docs.Shelf(tmp_path_factory.mktemp("docs"))


def each_group():
    """The pages that are run together, with what they take, about."""
    for group in run_docs.groups():
        name = Path(group[0]).stem
        yield pytest.param(group, id=name, marks=pytest.mark.slow(seconds=SECONDS.get(name, 20)))


@pytest.mark.parametrize("group", list(each_group()))
def test_what_a_page_shows_is_true(group, shelf):
    """Every command and every example of a page gives what stands below it; `make docs` puts it right."""
    reports = [f"{page}, {one}" for page, (_, found) in run_docs.run_group(group, shelf).items() for one in found]
    assert not reports, "\n\n".join(reports)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_page_that_names_its_options(name):
    """docs/how-to/NAME.md runs the command and names every option that is its own."""
    page = (HOW_TO / f"{name}.md").read_text("utf-8")
    assert re.search(rf"^    \$ boda {name}\b", page, re.MULTILINE)
    command = cli.get_command(click.Context(cli), name)
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
    missing = sorted(option for option in options - SHARED if f"`{option}" not in page)
    assert not missing


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_every_command_is_in_the_table(page):
    """The README and the index link the page of each command, and the index says what all commands share."""
    text = (ROOT / page).read_text("utf-8")
    assert not [name for name in COMMANDS if f"how-to/{name}.md" not in text]
    if page == "docs/index.md":
        assert not [option for option in SHARED if f"`{option}`" not in text]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    """Every link inside the project has a file or folder at its end."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_the_readme_says_how_to_test_and_to_try():
    """The lines that others read: the test command and the demonstration, each in a block of its own."""
    lines = (ROOT / "README.md").read_text("utf-8").split("\n")
    assert "    make test" in lines
    assert "    make demo" in lines


def test_the_readme_shows_five_commands():
    """Five, each with its output."""
    steps = list(run_docs.steps((ROOT / "README.md").read_text("utf-8")))
    assert len(steps) == 5
    assert all(step.source.startswith("boda ") and step.said for step in steps)
