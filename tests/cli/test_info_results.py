"""What `boda info` says of heads."""

from click.testing import CliRunner

from boda.cli.main import cli
from boda.cli.show import Show


def test_heads_are_a_table_of_what_they_say(workspace):
    """One column for each plain word or number of the summaries, also one level down; hostile text is escaped."""
    with workspace.write() as writer:
        headline = {"metric": "AUC", "value": 0.7412}
        summary = {"target": "merger", "headline": headline, "curve": [1, 2], "fine": True}
        writer.put_result("head", "merger", {"a": b"1"}, summary=summary)
        writer.put_result("head", "odd", {"a": b"2"}, summary={"target": "\x1b[31m" + "x" * 60, "rows": 12000})
    said = CliRunner().invoke(cli, ["info", str(workspace.path)], obj=Show()).stdout.splitlines()
    place = next(place for place, line in enumerate(said) if line.startswith("head"))
    assert [line.split() for line in said[place : place + 3]] == [
        ["head", "target", "metric", "value", "fine", "rows"],
        ["merger", "merger", "AUC", "0.7412", "yes", "-"],
        ["odd", "\\x1b[31m" + "x" * 35 + "...", "-", "-", "-", "12,000"],
    ]
