"""Patterns of holding files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import SourceError
from boda.sources.holding import expanded, has_pattern


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a.tar", ["a.tar"]),
        ("a{0..2}.tar", ["a0.tar", "a1.tar", "a2.tar"]),
        ("a{008..010}", ["a008", "a009", "a010"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("{a,b{1,2}}", ["a", "b1", "a", "b2"]),
    ],
)
def test_braces_stand_for_names(pattern, names):
    """As a shell has them."""
    assert sorted(expanded(pattern)) == sorted(names)


@given(st.integers(0, 500), st.integers(0, 40), st.integers(1, 5))
def test_ranges_keep_their_leading_zeros(first, more, width):
    """Every number, each as wide as the first."""
    pattern = f"x{{{first:0{width}d}..{first + more}}}"
    width = max(width, len(str(first)))
    assert expanded(pattern) == [f"x{number:0{width}d}" for number in range(first, first + more + 1)]


@pytest.mark.parametrize("pattern", ["{0..99999999}", "{0..999}{0..999}", "{0..9}" * 6])
def test_patterns_of_too_many_names_are_refused(pattern):
    """Before they fill the memory."""
    with pytest.raises(SourceError, match="stands for more than 100000 files"):
        expanded(pattern)


def test_plain_names_have_no_pattern():
    """A name with one brace is a name."""
    assert [name for name in ["a.tar", "a{.tar", "a}", "a*", "a{1..2}", "a[1]", "a?"] if has_pattern(name)] == [
        *("a*", "a{1..2}", "a[1]", "a?")
    ]
