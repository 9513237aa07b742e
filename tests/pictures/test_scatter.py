"""Predicted against true: every row is drawn or counted, and the band is where the intervals say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boda.errors import Refused
from boda.pictures.scatter import hexagons, scatter
from drawn import HOSTILE, Drawn


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(4, 1, n)
    return truth, 4 + 0.5 * (truth - 4) + rng.normal(0, 0.5, n)


@given(st.integers(0, 100))
def test_rows_outside_their_interval_have_the_other_colour(seed):
    """Dots are as many as rows, and those of the other colour as many as intervals that miss."""
    truth, predicted = sample(60, seed)
    half = np.random.default_rng(seed).uniform(0.2, 1.5, 60)
    drawn = Drawn(scatter(truth, predicted, name="score", low=predicted - half, high=predicted + half))
    outside = int((np.abs(truth - predicted) > half).sum())
    assert len(drawn.dots("other")) == outside + 1  # one in the legend
    assert len(drawn.dots("main")) == 60 - outside


def test_axes_are_equal_and_the_line_is_the_identity():
    """The dashed line goes from corner to corner of a square, and a perfect prediction lies on it."""
    truth, _ = sample(50)
    drawn = Drawn(scatter(truth, truth, name="score"))
    (x1, y1), (x2, y2) = next(path.points for path in drawn.paths if path.dashed)
    assert x2 - x1 == y1 - y2 > 0
    dots = drawn.dots("main")
    np.testing.assert_allclose(dots[:, 0] - x1, y1 - dots[:, 1], atol=0.11)


def test_a_band_of_constant_width_holds_just_the_rows_inside():
    """With one width for all, a dot lies on the band where its interval holds the truth."""
    truth, predicted = sample(400)
    half = 0.8
    drawn = Drawn(scatter(truth, predicted, name="score", low=predicted - half, high=predicted + half))
    outline = next(path for path in drawn.paths if path.colour == "soft").points
    left, right = outline[:120], outline[120:][::-1]
    for colour, inside in (("main", True), ("other", False)):
        x, y = drawn.dots(colour)[: None if inside else -1].T
        begin = np.interp(-y, -left[:, 1], left[:, 0])
        end = np.interp(-y, -right[:, 1], right[:, 0])
        clear = (np.abs(x - begin) > 1.5) & (np.abs(x - end) > 1.5)
        assert clear.sum() > 20
        assert (((x > begin) & (x < end)) == inside)[clear].all()


@given(st.integers(0, 50), st.floats(0.3, 3))
def test_points_belong_to_the_nearest_hexagon(seed, wide):
    """Counts equal those of a search over all centres (scipy's k-d tree)."""
    from scipy.spatial import cKDTree

    x, y = np.random.default_rng(seed).uniform(-3, 3, (2, 200))
    centres, counts = hexagons(x, y, wide)
    steps = np.arange(-20, 21)
    even = np.stack(np.meshgrid(steps * wide, steps * wide * np.sqrt(3)), -1).reshape(-1, 2)
    lattice = np.concatenate([even, even + np.array([wide / 2, wide * np.sqrt(3) / 2])])
    nearest = cKDTree(lattice).query(np.stack([x, y], 1))[1]
    expected = {tuple(np.round(lattice[place], 6) + 0.0): int((nearest == place).sum()) for place in set(nearest)}
    assert {tuple(np.round(one, 6) + 0.0): int(count) for one, count in zip(centres, counts, strict=True)} == expected


def test_many_rows_are_shaded_and_small():
    """200,000 rows are below 60 kB, and the darkest hexagon is the fullest."""
    truth, predicted = sample(200_000)
    svg = scatter(truth, predicted, name="score", low=predicted - 1, high=predicted + 1)
    assert len(svg) < 60_000
    drawn = Drawn(svg)
    assert not len(drawn.dots("main"))
    assert max(path.opacity for path in drawn.paths if path.colour == "main") == 1
    assert any(text.startswith("1 to ") for text in drawn.texts)


@pytest.mark.parametrize("n", [1, 1500])
def test_dots_are_small_too(n):
    """As many dots as are drawn one by one stay below 60 kB."""
    truth, predicted = sample(n)
    assert len(scatter(truth, predicted, name="score", low=predicted, high=predicted)) < 60_000


def test_far_values_are_counted_not_hidden():
    """10^10 beside 0.1 leaves the rest readable, and the picture says what lies outside it."""
    truth, predicted = sample(1000)
    drawn = Drawn(scatter(np.append(truth, 1e10), np.append(predicted, 4.0), name="score"))
    dots = drawn.dots("main")
    said = next(text for text in drawn.texts if "outside this frame" in text)
    assert said == f"{1001 - len(dots)} of 1001 rows lie outside this frame".replace("1001 rows", "1,001 rows")
    assert len(dots) > 980
    assert np.ptp(dots[:, 0]) > 150


def test_labels_have_the_unit_and_are_text():
    """Axes say what and in which unit, whatever the name."""
    for name in HOSTILE:
        drawn = Drawn(scatter([1.0, 2.0], [1.0, 2.0], name=name, unit="점"))
        labels = [text for text in drawn.texts if text.startswith(("True ", "Predicted "))]
        assert len(labels) == 2
        assert all(text.endswith("(점)") and text.isprintable() for text in labels)


@pytest.mark.parametrize(
    ("truth", "predicted", "ends"),
    [
        ([], [], {}),
        ([1.0], [1.0, 2.0], {}),
        ([[1.0], [2.0]], [1.0, 2.0], {}),
        ([1.0], [np.nan], {}),
        ([1.0], [1.0], {"low": [0.0]}),
        ([1.0], [1.0], {"low": [0.0], "high": [np.inf]}),
    ],
    ids=["empty", "lengths", "broadcast", "nan", "one end", "infinite"],
)
def test_what_cannot_be_drawn_is_refused(truth, predicted, ends):
    """Nothing is dropped in silence."""
    with pytest.raises(Refused, match="scatter:"):
        scatter(truth, predicted, name="score", **ends)
