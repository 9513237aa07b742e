"""Conditions on columns: what they take, what they leave, and that no text does anything but filter or be refused."""

import datetime as dt
import operator
import string

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boda.errors import NotFound, Refused
from boda.workspace.condition import DEEPEST, LONGEST, parse
from boda.workspace.where import rows_where

TABLE = pa.table(
    {
        "key": ["a.png", "b.png", "c.png", "d.png", "e.png"],
        "label": ["cat", "dog", None, "cat", "it's"],
        "score": pa.array([1.5, 5.0, 9.0, None, float("nan")]),
        "count": pa.array([1, 2, 3, None, 5], pa.int8()),
        "good": pa.array([True, False, None, True, False]),
        "odd name, `quoted`": [1, 2, 3, 4, 5],
        "given.width": [10, 20, 30, 40, 50],
        "taken": pa.array([dt.datetime(2024, 1, day) for day in range(1, 6)]),
        "breed": pa.array(["x", "y", "x", None, "y"]).dictionary_encode(),
        "many": [[1], [2], None, [], [3]],
        "and": [1, 0, 1, 0, 1],
        "크기": [3, 1, 3, 1, 3],
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label == 'cat'", "ad"),
        ('label == "cat" and score > 1', "a"),
        ("label != 'cat'", "be"),
        ("not label == 'cat'", "be"),
        ("label is null", "c"),
        ("label is not null", "abde"),
        ("score is null", "de"),
        ("score > 1.5 or label == 'cat'", "abcd"),
        ("score>=1.5 AND score<=5", "ab"),
        ("score > -1e3", "abc"),
        ("5 < score", "c"),
        ("label in ['cat', 'it''s']", "ade"),
        ("label not in ['cat']", "be"),
        ("count in [1, 2.5, 3]", "ac"),
        ("count == 2.0", "b"),
        ("score in [5, 9]", "bc"),
        ("good", "ad"),
        ("not good", "be"),
        ("good == false", "be"),
        ("good in [true]", "ad"),
        ("`odd name, ``quoted``` > 3", "de"),
        ("`and` == 1 and given.width < 40", "ac"),
        ("크기 == 3", "ace"),
        ("taken > '2024-01-03'", "de"),
        ("taken in ['2024-01-02', '2024-01-05']", "be"),
        ("breed == 'x'", "ac"),
        ("many is null", "c"),
        ("key == 'b.png'", "b"),
        ("label < 'd'", "ad"),
        ("score > count", "abc"),
        ("(label == 'cat' or label == 'dog') and not good", "b"),
        ("label == 'cat' or label == 'dog' and good", "ad"),
    ],
)
def test_a_condition_takes_these_rows(text, expected):
    """Three-valued: what is not known is neither taken nor, by `not`, left to be taken."""
    rows = rows_where(TABLE, text)
    assert rows.dtype == np.bool_
    found = "".join(key[0] for key in TABLE["key"].filter(pa.array(rows)).to_pylist())
    assert found == expected


def test_unknown_is_kleenes():
    """`not (score > 2 and good)`: false and unknown is false, so known; true and unknown is not known."""
    # score > 2: a no, b yes, c yes, d ?, e ?; good: a yes, b no, c ?, d yes, e no
    assert rows_where(TABLE, "not (score > 2 and good)").tolist() == [True, True, False, False, True]
    assert rows_where(TABLE, "score > 2 or good").tolist() == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "the condition is empty"),
        ("   ", "the condition is empty"),
        ("label = 'cat'", r"character 7 \(\"= 'cat'\"\): .*write =="),
        ("label == 'cat", r"character 10 .* is never closed"),
        ("label == `cat", "never closed"),
        ("(label == 'cat'", r"character 1 .*this bracket is never closed"),
        ("label == 'cat')", r"character 15 .*expected and, or, or the end"),
        ("1 < score < 5", r"character 11 .*join comparisons by and"),
        ("label == null", "write is null"),
        ("label is 5", "expected null"),
        ("label in 'cat'", r"expected \["),
        ("label in []", "expected a column or a value"),
        ("label in [score]", "a list holds values"),
        ("label in ['a' 'b']", "expected , or"),
        ("label in ['a'", "this list is never closed"),
        ("1 == 1", "neither side is a column"),
        ("5", "expected one of == !="),
        ("label 'cat'", "expected one of =="),
        ("label not 'cat'", "expected in"),
        ("label and good", "holds text: compare it"),
        ("label > 5", "write the value in quotes"),
        ("score > '5'", r"character 7 .*write numbers without quotes"),
        ("score in ['5']", r"character 11 .*write numbers without quotes"),
        ("good > true", "truth values have no order"),
        ("many == 1", "only be asked: is null"),
        ("label == good", "holds text, the other side truth values"),
        ("taken > 'soon'", r"character 9 .*no such time"),
        ("taken in ['soon']", "no such time"),
        ("score > 1e999", "no number is so large"),
        ("score > 5cats", "cannot be read"),
        ("score == 5; drop", "cannot be read"),
        ("score == 5 && good", "write and"),
        ("__import__('os')", "expected and, or, or the end"),
        ("label == 'cat' or", "where, at the end: expected a column"),
        ("not", "where, at the end"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text, error):
    """One line: where in the text, and what to write instead."""
    with pytest.raises(Refused, match=error) as refusal:
        rows_where(TABLE, text)
    assert "\n" not in str(refusal.value)


def test_a_column_that_is_not_there_names_near_ones():
    """And where it stands."""
    with pytest.raises(NotFound, match=r"character 16 .*no column 'lable'. There is: label"):
        rows_where(TABLE, "score > 1 and (lable == 'cat')")


def test_nesting_and_length_have_an_end():
    """Brackets that would exhaust the stack, and texts that nobody typed, are refused; wide ones are not."""
    deep = DEEPEST - 1
    assert rows_where(TABLE, "(" * deep + "good" + ")" * deep).tolist() == [True, False, False, True, False]
    for hostile in ("(" * 100_000, "not " * 100_000 + "good", "(" * DEEPEST + "good" + ")" * DEEPEST):
        with pytest.raises(Refused, match="inside each other"):
            parse(hostile)
    with pytest.raises(Refused, match="are the most"):
        parse("x" * (LONGEST + 1))
    with pytest.raises(Refused, match="no number is so large"):
        parse("score == " + "9" * 5_000)
    assert rows_where(TABLE, " or ".join(["count == 1"] * 2_000)).sum() == 1
    assert rows_where(TABLE, f"key in [{', '.join(map(repr, map(str, range(50_000))))}, 'a.png']").sum() == 1


def test_large_whole_numbers_stay_apart():
    """Those of 64 bits exactly; larger literals as floating point."""
    table = pa.table({"id": [2**53, 2**53 + 1, -(2**63)], "big": pa.array([1, 2, 2**64 - 1], pa.uint64())})
    assert rows_where(table, f"id == {2**53 + 1}").tolist() == [False, True, False]
    assert rows_where(table, f"id in [{2**53 + 1}]").tolist() == [False, True, False]
    assert rows_where(table, f"id < {2**70}").all()
    assert rows_where(table, "big > 1").tolist() == [False, True, True]


def test_an_empty_table_has_no_rows():
    """No chunk at all is no error."""
    assert rows_where(TABLE.slice(0, 0), "label == 'cat' and score > 5 or label is null").shape == (0,)
    assert rows_where(pa.table({"x": pa.chunked_array([], pa.int64())}), "x > 1 or x in [1]").shape == (0,)


# -- against plain Python -------------------------------------------------------------------------------------------

SIGNS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
texts = st.text(alphabet=string.ascii_letters + "'\"` é한", max_size=3)
numbers = st.integers(-5, 5) | st.sampled_from([0.5, -1.25, 1e300])
tables = st.lists(
    st.fixed_dictionaries({"t": st.none() | texts, "n": st.none() | st.integers(-5, 5), "x": st.none() | numbers, "b": st.none() | st.booleans()}),
    min_size=1,
    max_size=6,
)  # fmt: skip


def quoted(value):
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def known(function, *values):
    return None if None in values else function(*values)


@st.composite
def comparisons(draw):
    column = draw(st.sampled_from("tnxb"))
    literal = {"t": texts, "n": numbers, "x": numbers, "b": st.booleans()}[column]
    match draw(st.sampled_from(["compare", "turned", "in", "null", "alone"])):
        case "in":
            values = draw(st.lists(literal, min_size=1, max_size=3))
            negated = draw(st.booleans())
            text = f"{column} {'not ' if negated else ''}in [{', '.join(map(quoted, values))}]"
            return text, lambda row: known(lambda v: (v in values) != negated, row[column])
        case "null":
            negated = draw(st.booleans())
            return f"{column} is {'not ' if negated else ''}null", lambda row: (row[column] is None) != negated
        case "alone":
            return "b", lambda row: row["b"]
        case "turned" if column != "b":
            sign, value = draw(st.sampled_from(list(SIGNS))), draw(literal)
            return f"{quoted(value)}{sign}{column}", lambda row: known(SIGNS[sign], value, row[column])
    sign = draw(st.sampled_from(["==", "!="] if column == "b" else list(SIGNS)))
    value = draw(literal)
    return f"{column} {sign} {quoted(value)}", lambda row: known(SIGNS[sign], row[column], value)


def negate(inner):
    text, holds = inner
    return f"not ({text})", lambda row: known(operator.not_, holds(row))


def join(word, left, right):
    decisive = word == "or"

    def holds(row):
        values = [left[1](row), right[1](row)]
        return decisive if decisive in values else None if None in values else not decisive

    return f"({left[0]}) {word} ({right[0]})", holds


conditions = st.recursive(
    comparisons(),
    lambda inner: inner.map(negate) | st.builds(join, st.sampled_from(["and", "or"]), inner, inner),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(tables, conditions)
def test_it_agrees_with_python(rows, condition):
    """Any condition takes the rows for which plain Python, with None for unknown, says True."""
    text, holds = condition
    kinds = {"t": pa.string(), "n": pa.int16(), "x": pa.float64(), "b": pa.bool_()}
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})
    assert rows_where(table, text).tolist() == [holds(row) is True for row in rows]


PIECES = [
    "(",
    ")",
    "[",
    "]",
    ",",
    "not",
    "and",
    "or",
    "in",
    "is",
    "null",
    "label",
    "score",
    "good",
    "'a'",
    "5",
    "==",
    "<",
    "`",
    "'",
]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_any_text_filters_or_is_refused(text):
    """Nothing else can come of it."""
    try:
        found = rows_where(TABLE, text)
    except (Refused, NotFound) as error:
        found = error
    assert str(found).startswith("where") if isinstance(found, Exception) else found.shape == (5,)
