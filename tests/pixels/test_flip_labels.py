"""Labels that a flip changes are swapped with the image, or the flip is refused."""

import numpy as np
import pytest

from boda.errors import Refused
from boda.pixels.augment import augmentation_named
from boda.pixels.augmenting.labels import LabelSwaps, flip_partners, label_swaps


@pytest.mark.parametrize(
    ("names", "partners"),
    [
        (["cat", "dog"], (0, 1)),
        (["left", "right"], (1, 0)),
        (["clockwise", "none", "anticlockwise"], (2, 1, 0)),
        (["counter-clockwise", "clockwise"], (1, 0)),
        (["Anti Clockwise", "Clockwise"], (1, 0)),
        (["spiral_counter_clockwise", "spiral_clockwise", "edge_on"], (1, 0, 2)),
        (["p_cw", "p_acw"], (1, 0)),
        (["cw", "ccw"], (1, 0)),
        (["TurnLeft", "GoOn", "TurnRight"], (2, 1, 0)),
        (["left_2_lanes", "left_1_lane", "right_1_lane", "right_2_lanes"], (3, 2, 1, 0)),
        (["bright", "upright", "leftover", "copyright"], (0, 1, 2, 3)),
        (["left_of_right_eye", "right_of_left_eye"], (1, 0)),
        (["up", "down", "top"], (0, 1, 2)),
        ([], ()),
    ],
)
def test_partners_are_found_by_name(names, partners):
    """As words, also within names of several words; not within other words."""
    assert flip_partners(names) == partners


def test_a_vertical_flip_swaps_other_words():
    """Up and down, top and bottom; hands too, but not left and right."""
    names = ["up", "down", "left", "clockwise", "counterclockwise", "top_row", "bottom_row"]
    assert flip_partners(names, axis="vertical") == (1, 0, 2, 4, 3, 6, 5)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["clockwise", "none"],
            "a horizontal flip would make 'clockwise' 'anticlockwise', which is no class: leave it out",
        ),
        (["right", "wrong"], "'right' 'left'"),
        (["cw", "anticlockwise"], "'cw' 'acw'"),
        (["turn_left", "turn-left", "turn_right"], "'turn_left' and 'turn-left' read alike"),
    ],
)
def test_a_word_without_its_partner_is_refused(names, words):
    """In one line, with what can be done."""
    with pytest.raises(Refused, match=words):
        flip_partners(names)


def test_pairs_can_be_given():
    """They are the whole truth; no pairs say that a flip changes nothing."""
    assert flip_partners(["S", "Z", "none"], pairs=[("S", "Z")]) == (1, 0, 2)
    assert flip_partners(["right", "wrong"], pairs=()) == (0, 1)
    with pytest.raises(Refused, match="no class 'T' to swap; there are S, Z"):
        flip_partners(["S", "Z"], pairs=[("S", "T")])
    for pairs in ([("S", "S")], [("S", "Z"), ("Z", "T")]):
        with pytest.raises(Refused, match="each class is in one pair"):
            flip_partners(["S", "Z", "T"], pairs=pairs)


def test_labels_are_swapped_with_the_image():
    """Only those of images that were flipped; twice is as it was; hands are swapped by either flip."""
    names = ["left", "right", "clockwise", "anticlockwise", "other"]
    swaps = label_swaps(augmentation_named("galaxies?degrees=0"), names=names)
    assert swaps == LabelSwaps((1, 0, 3, 2, 4), (0, 1, 3, 2, 4))
    labels = np.array([0, 0, 2, 2, 2, 2, 4])
    flipped, upended = np.array([1, 0, 1, 0, 1, 0, 1], bool), np.array([0, 1, 0, 1, 1, 0, 1], bool)
    found = swaps.classes(labels, flipped, upended)
    np.testing.assert_array_equal(found, [1, 0, 3, 3, 2, 2, 4])
    np.testing.assert_array_equal(swaps.classes(found, flipped, upended), labels)
    np.testing.assert_array_equal(swaps.columns(np.eye(5)[labels], flipped, upended), np.eye(5)[found])


def test_what_a_flip_does_not_change_stays_untouched():
    """Nothing to swap is nothing to do, and a target without flips is not even looked at."""
    assert label_swaps(augmentation_named("cifar"), names=["cat", "dog"], columns=["kind"]) == LabelSwaps()
    assert label_swaps(augmentation_named("none"), names=["clockwise"], columns=["angle"]) == LabelSwaps()
    labels = np.array([1, 0])
    assert LabelSwaps().classes(labels, np.array([True, True]), np.array([True, True])) is labels


@pytest.mark.parametrize("column", ["position_angle", "PA", "steeringAngle", "left_x", "direction", "clockwise_votes"])
def test_a_number_that_says_direction_is_refused(column):
    """In one line; told that it does not matter, it is taken."""
    with pytest.raises(Refused, match=f"a horizontal flip would change what '{column}' means"):
        label_swaps(augmentation_named("cifar"), columns=[column])
    assert label_swaps(augmentation_named("cifar"), columns=[column], pairs=()) == LabelSwaps()
    assert label_swaps(augmentation_named("randaugment-2-9"), columns=[column]) == LabelSwaps()


def test_votes_for_directions_are_swapped_as_columns():
    """The names of the answers are those of the columns."""
    answers = ["p_clockwise", "p_anticlockwise", "p_edge"]
    swaps = label_swaps(augmentation_named("flip"), names=answers, columns=answers)
    np.testing.assert_array_equal(swaps.columns(np.array([[0.7, 0.2, 0.1]]), [True], [False]), [[0.2, 0.7, 0.1]])


def test_classes_of_a_column_that_says_direction_need_partners():
    """`winding` with classes S and Z is refused until the pairs are named."""
    with pytest.raises(Refused, match="'winding' means"):
        label_swaps(augmentation_named("flip"), names=["S", "Z"], columns=["winding"])
    assert label_swaps(
        augmentation_named("flip"), names=["S", "Z"], columns=["winding"], pairs=[("S", "Z")]
    ) == LabelSwaps((1, 0))
    assert label_swaps(augmentation_named("flip"), names=["cw", "ccw"], columns=["winding"]) == LabelSwaps((1, 0))


@pytest.mark.parametrize("name", ["galaxies?p=0", "trivial"])
def test_turning_far_is_refused_where_it_would_change_sides(name):
    """Left becomes up; hands stay. A turn of 15 degrees changes neither."""
    for wanted in ({"names": ["left", "right"]}, {"names": ["top", "side"]}, {"columns": ["position_angle"]}):
        with pytest.raises(Refused, match=r"a turn of up to .* degrees would change"):
            label_swaps(augmentation_named(name), **wanted)
    assert label_swaps(augmentation_named(name), names=["clockwise", "anticlockwise"]) == LabelSwaps()
    assert label_swaps(augmentation_named("notebook"), names=["left", "right"]) == LabelSwaps((1, 0))
