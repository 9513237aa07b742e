"""Columns become targets; what they are is told by their values, or said."""

import numpy as np
import pyarrow as pa
import pytest

from boda.errors import NotFound, Refused
from boda.heads.asking import Asked, read_target


def asked(columns, text, **more):
    n = len(next(iter(columns.values())))
    table = pa.table({"key": [f"{row}.png" for row in range(n)], **columns})
    return read_target(table, Asked(text, **more))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.5, 1.5, 2.5], "number"),
        ([1.0, 2.0, 2.0], "class"),
        (["a", "b", "a"], "class"),
        ([True, False, True], "class"),
        ([[3, 1], [0, 2], [5, 5]], "ratings"),
        ([["sky", "sea"], ["sea"], []], "labels"),
        (list(range(40)), "number"),
    ],
)
def test_what_a_target_is_is_told_by_its_values(values, kind):
    """Fractions and many whole numbers are numbers; text, truth values and few whole numbers are classes."""
    assert asked({"y": values}, "y")[1].kind == kind


def test_what_is_said_comes_before_what_is_told():
    """Few whole numbers are a number for whoever says so."""
    rows, target = asked({"y": [1, 2, 3, None]}, "y", kind="number")
    assert target.kind == "number"
    assert rows.tolist() == [0, 1, 2]
    assert target.values.tolist() == [1.0, 2.0, 3.0]


def test_classes_are_in_the_order_of_numbers_then_letters():
    """10 comes after 9, and rows without a class are left out."""
    rows, target = asked({"y": ["10", "9", None, "b"]}, "y")
    assert target.names == ("9", "10", "b")
    assert target.values.tolist() == [1, 0, 2]
    assert rows.tolist() == [0, 1, 3]


def test_one_class_against_the_rest():
    """COLUMN=VALUE has two classes, the one asked for being the second."""
    _, target = asked({"y": ["spiral", "merger", "smooth", "merger"]}, "y=merger")
    assert target.names == ("other", "merger")
    assert target.values.tolist() == [0, 1, 0, 1]
    with pytest.raises(Refused, match="never says 'ring'"):
        asked({"y": ["spiral", "merger"]}, "y=ring")


def test_a_column_whose_name_has_an_equals_sign_is_itself():
    """A name comes before its meaning."""
    assert asked({"a=b": [0.5, 1.5]}, "a=b")[1].values.tolist() == [0.5, 1.5]


def test_the_logarithm_of_a_column():
    """log10(price) is learned where price is positive; where it is not, the image is named."""
    _, target = asked({"price": [10.0, 1000.0, None]}, "log10(price)")
    assert target.values.tolist() == [1.0, 3.0]
    with pytest.raises(Refused, match=r"no value at 1\.png, where price is 0"):
        asked({"price": [10.0, 0.0]}, "log10(price)")


@pytest.mark.parametrize(
    ("columns", "text", "kind", "words"),
    [
        ({"y": [1.5, float("inf"), 2.5]}, "y", None, r"1\.png is inf, but a target of number holds finite numbers"),
        ({"y": [None, 0.5, 1.0]}, "y", "labels", r"1\.png is \[0\.5\], but a target of labels holds 0, 1 or nothing"),
        ({"n_1": [3, 9], "n_2": [1, -9]}, "n_*", None, r"1\.png is \[ 9\. -9\.\], but .* holds counts from 0 up"),
        ({"y": [1.5, 2.5]}, "y", "ratings", "ratings are counts, .* a mean rating is a number, --as number"),
    ],
)
def test_values_that_no_target_can_have_are_named_by_their_image(columns, text, kind, words):
    """Which image, what it says, and what would be right; rows without a value do not shift it."""
    with pytest.raises(Refused, match=words):
        asked(columns, text, kind=kind)


def test_whole_numbers_beyond_those_of_floating_point():
    """Sizes of 2^60 are numbers, rounded as floating point is."""
    _, target = asked({"y": [2**60 + 3**row for row in range(30)]}, "y", kind="number")
    assert target.values[0] == 2.0**60


def test_rating_counts_by_pattern():
    """Columns found by a pattern are ratings worth the numbers at their ends; rows without ratings are left out."""
    rows, target = asked({"count_1": [1, 0, 2], "count_2": [3, 0, None], "other": [9, 9, 9]}, "count_*")
    assert target.kind == "ratings"
    assert target.levels == (1.0, 2.0)
    assert rows.tolist() == [0, 2]
    assert target.values.tolist() == [[1.0, 3.0], [2.0, 0.0]]


def test_several_labels_in_columns_and_in_one():
    """Columns of 0 and 1, or one column of names with signs between, are the same target."""
    _, wide = asked({"sea": [1, 0, 1], "sky": [0, 1, None]}, "sea,sky")
    _, narrow = asked({"tags": ["sea", "sky", "sea|sky"]}, "tags", kind="labels")
    assert wide.kind == narrow.kind == "labels"
    assert wide.names == narrow.names == ("sea", "sky")
    np.testing.assert_array_equal(wide.values, [[1, 0], [0, 1], [1, np.nan]])
    np.testing.assert_array_equal(narrow.values, [[1, 0], [0, 1], [1, 1]])


def test_a_misspelt_column_is_answered_with_near_ones():
    """Nobody has to look up how a column is spelt."""
    with pytest.raises(NotFound, match=r"no column 'scroe'\. There is: score"):
        asked({"score": [1.5, 2.5]}, "scroe")


@pytest.mark.parametrize(
    ("values", "why"),
    [(["a", "a", "a"], "all rows are 'a'"), ([2.5, 2.5], "all rows are 2.5"), ([None, None], "no image has a value")],
)
def test_a_target_that_cannot_be_learned_is_refused(values, why):
    """One class, one number, or nothing known."""
    with pytest.raises(Refused, match=why):
        asked({"y": pa.array(values)}, "y")


def test_classes_that_a_head_does_not_know_are_refused():
    """An old head is not tested on a class it cannot say."""
    with pytest.raises(Refused, match="'c' is no class of this head"):
        asked({"y": ["a", "c"]}, "y", names=("a", "b"))


def test_what_was_asked_survives_json():
    """A head remembers how its target was asked for."""
    one = Asked("count_*", "ratings", None, None, ("1", "2"))
    assert Asked.from_json(one.as_json()) == one


def test_votes_by_a_tree(tmp_path):
    """Columns `question_answer` with an ending become counts in the order of the tree."""
    tree = tmp_path / "tree.toml"
    tree.write_text('name = "two"\n\n[[question]]\nname = "shape"\nanswers = ["round", "flat"]\n')
    rows, target = asked({"shape_round_n": [3, 0, 1], "shape_flat_n": [1, 0, None]}, "*_n", tree=str(tree))
    assert target.kind == "votes"
    assert rows.tolist() == [0, 2]
    assert target.values.tolist() == [[3.0, 1.0], [1.0, 0.0]]
