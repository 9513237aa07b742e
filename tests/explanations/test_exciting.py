"""What excites a score most: the planted image, the place and box of it, ties by order, whatever the batches are."""

import numpy as np
import pytest
import torch
from torch import nn

from boda.errors import Refused
from boda.explanations.channels import channel_score
from boda.explanations.exciting import box_of, most_exciting
from boda.explanations.maximisation import Ascent, maximised
from boda.explanations.score import Score
from little_networks import linear_network, linear_score, open_module

SIDE = 16


def twice() -> nn.Module:
    """Two 3 x 3 convolutions, the second at every second place: a place (y, x) sees rows 2y - 2 to 2y + 2."""
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.Flatten())
    for seed, part in enumerate(module[:2]):
        part.weight.data.uniform_(0.1, 1, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(part.bias)
    return module


def planted(n: int = 12) -> np.ndarray:
    """Dark noise, and one image with a bright spot at row 6, column 10."""
    pixels = np.random.default_rng(0).integers(0, 40, (n, SIDE, SIDE, 3), dtype=np.uint8)
    pixels[7, 5:8, 9:12] = 255
    return pixels


def test_the_planted_image_is_first_with_its_place_and_what_it_sees():
    """Row 6, column 10 is place (3, 5); its whole receptive field is 5 x 5 pixels."""
    network = open_module(twice(), (SIDE, SIDE))
    score = channel_score(network, "1", 2, over="largest")
    found = most_exciting(network, score, [planted()], 3, share=1)
    assert found.rows[0] == 7 and (np.diff(found.values) <= 0).all()
    assert tuple(found.places[0]) == (3, 5) and tuple(found.boxes[0]) == (4, 8, 9, 13)
    np.testing.assert_array_equal(found.pixels, planted()[found.rows])
    assert found.usual.images == 12 and found.values[0] > found.usual.mean[0] + 3 * found.usual.deviation[0]
    inner = most_exciting(network, score, [planted()], 1, share=0.5).boxes[0]
    assert inner[0] >= 4 and inner[2] <= 9 and inner[2] - inner[0] < 5


def test_the_channel_that_climbed_is_excited_by_the_planted_image_too():
    """Beside one another: both bright, and the made image further than any in the collection."""
    network = open_module(twice(), (SIDE, SIDE))
    score = channel_score(network, "1", 1)
    found = most_exciting(network, score, [planted()], 1)
    made = maximised(network, score, generator=torch.Generator().manual_seed(0), ascent=Ascent(steps=60, rate=0.3))
    assert found.rows[0] == 7 and made.value > max(found.values[0], made.start, made.noise.max())
    assert made.pixels.mean() > 200


def test_a_unit_keeps_its_place():
    network = open_module(twice(), (SIDE, SIDE))
    found = most_exciting(network, channel_score(network, "1", 2, place=(0, 7)), [planted()], 2, share=1)
    assert (found.places == [0, 7]).all()
    assert tuple(found.boxes[0]) == (0, 12, 3, 16)


@pytest.mark.parametrize("cuts", [[12], [5, 12], [1, 2, 3, 11, 12]])
@pytest.mark.parametrize("at_once", [1, 64])
def test_however_batches_are_cut_the_answer_is_that_of_sorting(cuts, at_once):
    """Equal ones count in their order: a score of one pixel, which is the same in every batch."""
    network, pixels = linear_network(), np.random.default_rng(1).integers(0, 256, (12, 6, 8, 3), dtype=np.uint8)
    pixels[[2, 9]] = pixels[6]
    score = Score("red", "red of the first pixel", "point", lambda rows: rows[:, 0])
    values = score.through(network)(network.door(pixels)).numpy()
    expected = np.lexsort((np.arange(12), -values))
    found = most_exciting(network, score, np.split(pixels, cuts[:-1]), 9, at_once=at_once)
    np.testing.assert_array_equal(found.rows, expected[:9])
    assert found.places is None and found.boxes is None
    assert found.usual.mean[0] == pytest.approx(values.mean(), abs=1e-3)


def test_a_box_holds_its_share():
    """Cut as much as may be at each side; all of it at 1; of nothing the whole image."""
    sizes = np.random.default_rng(0).gamma(0.2, size=(20, 30))
    sizes[:4] = sizes[:, 25:] = 0
    for share in (0.3, 0.9, 1.0):
        top, left, bottom, right = box_of(sizes, share)
        assert sizes[top:bottom, left:right].sum() >= share * sizes.sum() * (1 - 1e-12)
    rows, columns = np.nonzero(sizes)
    assert box_of(sizes, 1) == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert box_of(0 * sizes, 0.9) == (0, 0, 20, 30)


def test_what_makes_no_sense_is_refused():
    network = linear_network()
    pixels = np.zeros((2, 6, 8, 3), np.uint8)
    broken = Score("broken", "broken", "point", lambda rows: rows[:, 0] / rows[:, 0].sub(rows[0, 0]))
    for refused, call in {
        "k=0": lambda: most_exciting(network, linear_score(), [pixels], 0),
        "share=0": lambda: most_exciting(network, linear_score(), [pixels], 1, share=0),
        "no images": lambda: most_exciting(network, linear_score(), [], 1),
        "takes images of": lambda: most_exciting(network, linear_score(), [pixels[:, :4]], 1),
        "infinite at image 0": lambda: most_exciting(network, broken, [pixels], 1),
    }.items():
        with pytest.raises(Refused, match=refused):
            call()
