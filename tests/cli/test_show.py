"""One sink: words on stdout, JSON alone, or silence; names cannot play with the terminal."""

import json

import pytest

from boda.cli.errors import text
from boda.cli.progress import duration, pace, size
from boda.cli.show import Show, Table
from boda.errors import NotFound
from boda.pipelines.run.meter import Progress


class Answer:
    def as_json(self):
        return {"count": 3, "key": "café"}


def say():
    return ["three", Table(("name", "count"), [["가나", 12345], ["a", None]])]


def test_people_get_aligned_words(capsys):
    """Columns align on a terminal, where Korean is two columns wide; numbers stand to the right."""
    Show()(Answer(), say)
    assert capsys.readouterr().out == "three\nname   count\n가나  12,345\na          -\n"


def test_small_numbers_keep_their_digits(capsys):
    """Four decimals of an error of 0.00004 would say that there is none."""
    Show()(Answer(), lambda: [Table(("x",), [[0.00004], [-0.00004], [0.0], [1e-16], [0.25], [float("nan")]])])
    assert capsys.readouterr().out.split() == ["x", "4.0e-05", "-4.0e-05", "0.0000", "0.0000", "0.2500", "nan"]


def test_json_is_one_object_and_nothing_else(capsys):
    """--json prints one line, and asks nobody for words."""
    show = Show()
    show.json = True
    show(Answer(), lambda: pytest.fail("asked for words"))
    assert json.loads(capsys.readouterr().out) == {"count": 3, "key": "café"}


def test_quiet_says_only_errors(capsys):
    """-q prints no result and no note; errors remain."""
    show = Show()
    show.quiet = True
    show(Answer(), say)
    show.note("by the way")
    show.error("it failed")
    assert capsys.readouterr() == ("", "boda: it failed\n")


def test_progress_is_silent_where_nobody_watches(capsys):
    """Without a terminal on stderr no progress is printed."""
    Show().progress(Progress("embedding", 1, 10, 5.0, 2.0))
    assert capsys.readouterr() == ("", "")


def test_progress_says_rate_and_time_left():
    """The line has images per second and the time that is left, as far as known."""
    assert pace(Progress("embedding", 1, 10, 61.52, 75.0)) == "61.5/s  1 min 15 s left"
    assert pace(Progress("listing", 0, 0)) == ""
    assert (duration(59.6), duration(86400 * 2), size(0), size(5e12)) == ("1 min 0 s", "48 h 0 min", "0 B", "5.0 TB")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (NotFound("a\x1b[2Jb\nc"), "a\\x1b[2Jb c"),
        (PermissionError(13, "Permission denied", "dir/caf\udce9"), "dir/caf\\udce9: Permission denied"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (MemoryError(), "out of memory; what was committed stays"),
        (
            ZeroDivisionError("x"),
            "ZeroDivisionError: x (a bug in boda: please report it, with the trace that -v shows)",
        ),
    ],
)
def test_an_error_is_one_escaped_line(error, line):
    """What, where, what to do; control signs of names are escaped."""
    assert text(error) == line


def test_no_name_plays_with_the_terminal(capsys):
    """Cells, headers and lines: control signs are escaped, lines stay lines."""
    from dataclasses import dataclass

    @dataclass
    class Nothing:
        def as_json(self) -> dict[str, object]:
            return {}

    Show()(Nothing(), lambda: ["one\ntwo \x1b[2J", Table(("a\x1b[2J",), [["b\x1b[2J"]])])
    assert capsys.readouterr().out == "one\ntwo \\x1b[2J\na\\x1b[2J\nb\\x1b[2J\n"
