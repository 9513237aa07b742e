"""Numbers are said with as many signs as they deserve."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.pictures.wording import breadth, fitted, interval, number, share


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (0.1, "0.100"), (1e10, "1×10¹⁰"), (-3.25e-7, "−3.25×10⁻⁷"), (float("nan"), "–")],
)
def test_numbers_are_short(value, text):
    """Large and small numbers are powers of ten; what is no number is a dash."""
    assert number(value) == text


def test_a_rounded_nothing_has_no_sign():
    """Minus a little, rounded to nothing, is not minus nothing."""
    assert number(-0.004, decimals=2) == "0.00"


def test_counts_are_written_out():
    """A count is never a power of ten."""
    assert number(60_000_000) == "60,000,000"


def test_an_interval_that_is_not_there_is_a_dash():
    """A missing end leaves nothing to say."""
    assert interval(None, 1.0) == interval(0.0, float("inf")) == "–"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e5))
def test_ends_of_an_interval_differ_as_said(low, width):
    """Rounding never makes both ends of an interval the same."""
    first, second = interval(low, low + width).split(" to ")
    assert first != second


def test_shares_are_per_cent():
    """Small shares keep a decimal."""
    assert [share(value) for value in (0, 0.0042, 0.0996, 0.97, 1)] == ["0 %", "0.4 %", "10 %", "97 %", "100 %"]


@given(st.text(max_size=60), st.floats(20, 300))
def test_fitted_names_fit(name, width):
    """However long and whatever the script, a name ends within its width."""
    assert breadth(fitted(name, width), 13) <= width
    assert fitted(name, width).isprintable()


def test_wide_scripts_count_double():
    """A Hangul syllable is as wide as the font is high."""
    assert breadth("한국어", 10) == 30
