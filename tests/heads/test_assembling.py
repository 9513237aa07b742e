"""Rows of a workspace become inputs: features by recipe, columns by name, several images as one unit."""

import numpy as np
import pytest

from boda.errors import NotFound, Refused
from boda.heads.assembling import Unit, assemble, wanted_inputs
from boda.heads.inputs import CategoryInput, FeatureInput, NumberInput
from synthetic import synthetic_workspace


@pytest.fixture
def rooms(tmp_path):
    """Three houses of two photographs each, in mixed order; the last lacks one view."""
    features = {"wide": np.arange(18, dtype=float).reshape(6, 3), "narrow": np.arange(6, dtype=float)[:, None]}
    columns = {
        "house": ["1", "2", "1", "2", "3", None],
        "room": ["bath", "bath", "kitchen", "kitchen", "bath", "bath"],
        "area": [10.0, 20.0, 10.0, 20.0, 30.0, None],
        "town": ["A", "B", "A", "B", None, "A"],
    }
    return synthetic_workspace(tmp_path / "rooms.boda", features, columns)


def assembled(workspace, *names, unit=None):
    table = workspace.frame()
    return assemble(workspace, table, wanted_inputs(workspace, table, names), unit)


def test_features_and_columns_side_by_side(rooms):
    """Each block keeps the order of the frame; numbers may be missing, names too."""
    found = assembled(rooms, "narrow", "area", "town")
    features, area, town = found.inputs.blocks
    assert isinstance(features, FeatureInput)
    assert isinstance(area, NumberInput)
    assert isinstance(town, CategoryInput)
    np.testing.assert_array_equal(features.block(slice(None))[:, 0], np.arange(6))
    np.testing.assert_array_equal(area.values, [10, 20, 10, 20, 30, np.nan])
    assert town.values.tolist() == ["A", "B", "A", "B", None, "A"]


def test_the_latest_features_are_the_default(rooms):
    """Nobody has to name what there is one of."""
    assert [block.name for block in assembled(rooms).inputs.blocks] == ["narrow"]


def test_numbers_that_are_names(rooms):
    """COLUMN:category turns a number into a name."""
    (block,) = assembled(rooms, "narrow", "area:category").inputs.columns
    assert isinstance(block, CategoryInput)
    assert block.values.tolist() == ["10", "20", "10", "20", "30", None]


def test_an_unknown_input_names_what_there_is(rooms):
    """The error knows feature sets and columns."""
    with pytest.raises(NotFound, match=r"There is: wide .*narrow.*no column 'aera'\. There is: area"):
        assembled(rooms, "aera")


def test_images_without_features_are_left_out_and_counted(tmp_path):
    """A row needs all its features; its place in the frame does not matter."""
    workspace = synthetic_workspace(
        tmp_path / "w.boda", {"f": np.arange(5, dtype=float)[:, None]}, {"y": [1.0, 2, 3, 4, 5]}, without_features=2
    )
    found = assembled(workspace, "f")
    assert found.keys == ("00000.png", "00001.png", "00002.png")
    assert found.left_out == {"no features": 2}
    assert found.table["y"].to_pylist() == [1, 2, 3]


def test_copies_share_a_row_of_features(tmp_path):
    """Two images of one file have one feature vector and one content."""
    workspace = synthetic_workspace(
        tmp_path / "w.boda", {"f": np.arange(4, dtype=float)[:, None]}, {"y": [1.0, 2, 3, 4]}, same_file={2: 0}
    )
    found = assembled(workspace, "f")
    np.testing.assert_array_equal(found.inputs.features[0].block(slice(None))[:, 0], [0, 1, 0, 3])
    assert found.contents[0] == found.contents[2] != found.contents[1]


def test_views_of_a_unit_stand_side_by_side(rooms):
    """One row a house, features by room; a house without a room is left out and counted."""
    found = assembled(rooms, "narrow", "area", unit=Unit("house", "room"))
    assert found.keys == ("1", "2")
    bath, kitchen, area = found.inputs.blocks
    assert (bath.name, kitchen.name) == ("narrow@bath", "narrow@kitchen")
    np.testing.assert_array_equal(bath.block(slice(None))[:, 0], [0, 1])
    np.testing.assert_array_equal(kitchen.block(slice(None))[:, 0], [2, 3])
    np.testing.assert_array_equal(area.values, [10, 20])
    assert found.left_out == {"a view is missing": 1}
    assert found.unit == Unit("house", "room", ("bath", "kitchen"))


def test_images_of_a_unit_are_averaged_without_views(rooms):
    """The order of a unit's images does not matter then."""
    found = assembled(rooms, "narrow", unit=Unit("house"))
    assert found.keys == ("1", "2", "3")
    np.testing.assert_array_equal(found.inputs.features[0].block(slice(None))[:, 0], [1, 2, 4])


def test_a_unit_whose_images_disagree_is_refused(tmp_path):
    """Two areas of one house are one too many."""
    workspace = synthetic_workspace(
        tmp_path / "w.boda", {"f": np.zeros((2, 1))}, {"house": ["1", "1"], "area": [10.0, 11.0]}
    )
    with pytest.raises(Refused, match="'area' says both 10 and 11 of house 1"):
        assembled(workspace, "f", "area", unit=Unit("house"))


def test_a_unit_knows_all_its_files(rooms):
    """Of every image, also after rows were taken; of single images each has one."""
    found = assembled(rooms, "narrow", unit=Unit("house")).take(np.array([2, 0]))
    contents = rooms.frame()["content"].to_pylist()
    assert found.files() == [(contents[4],), (contents[0], contents[2])]
    assert assembled(rooms, "narrow").files() == [(one,) for one in contents]


def test_the_order_of_images_that_are_averaged_changes_no_content(tmp_path):
    """A unit whose images are listed otherwise is the same unit to a head that was trained on it."""
    there = [
        synthetic_workspace(tmp_path / f"{name}.boda", {"f": np.eye(2)}, {"house": ["1", "1"]}, same_file=files)
        for name, files in (("one", {}), ("two", {0: 1, 1: 0}))
    ]
    one, two = (assembled(workspace, "f", unit=Unit("house")).contents for workspace in there)
    assert one == two


def test_a_column_of_lists_may_be_asked_whether_a_unit_agrees(tmp_path):
    """As counts of ratings in one column are."""
    columns = {"house": ["1", "1", "2"], "counts": [[1, 2], [1, 2], [3, 4]], "score": [1.0, 2.0, 3.0]}
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": np.eye(3)}, columns)
    found = assembled(workspace, "f", unit=Unit("house"))
    found.refuse_disagreement("counts")
    with pytest.raises(Refused, match="'score' says both 1 and 2 of house 1"):
        found.refuse_disagreement("score")
