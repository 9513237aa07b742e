"""Answers as columns: several names in one text can be told apart again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from boda.heads.answers import Answers, listed, names_in
from boda.heads.target import Blank

HELD = np.array([[True, False, True], [False, False, False], [False, True, False]])


def test_plain_names_are_joined() -> None:
    """As they always were."""
    assert listed(("disk", "bar", "ring"), HELD).tolist() == ["disk|ring", "", "bar"]


def test_names_that_could_be_misread_make_every_row_a_list() -> None:
    """A bar or a comma in one name of all, the first sign of a list, or no sign at all."""
    for name in ("a|b", "disk, barred", "[odd]", ""):
        assert listed(("disk", name, "ring"), HELD)[:2].tolist() == ['["disk", "ring"]', "[]"]


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), max_size=5), unique=True, max_size=5), st.data())
def test_every_name_comes_back(names: list[str], data: st.DataObject) -> None:
    """Whatever names there are, and whichever a row holds."""
    row = data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
    held = np.array([row], bool)
    expected = [name for name, one in zip(names, row, strict=True) if one]
    assert names_in(listed(names, held)[0]) == expected


def test_classes_and_labels_have_columns_of_what_is_possible() -> None:
    """`prediction` of labels and `possible` are lists of one form; labels that are certain have their own."""
    points = np.array([[0.9, 0.2, 0.6]])
    of_class = Answers(Blank("class", "c", ("a|b", "b", "c")), points, sets=HELD[:1])
    assert of_class.columns()["prediction"].tolist() == ["a|b"]
    assert of_class.columns()["possible"].tolist() == ['["a|b", "c"]']
    of_labels = Answers(Blank("labels", "l", ("disk", "bar", "ring")), points, sets=HELD[:1], certain=~HELD[1:2])
    assert list(of_labels.columns()) == ["prediction", "p_disk", "p_bar", "p_ring", "certain", "possible"]
    found = {name: values[0] for name, values in of_labels.columns().items()}
    assert (found["prediction"], found["certain"], found["possible"]) == ("disk|ring", "disk|bar|ring", "disk|ring")
