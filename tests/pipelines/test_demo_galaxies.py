"""Sources are found where they were put, and nowhere else."""

import numpy as np
import pytest

from boda.pipelines.demonstration.galaxies import SMALLEST_SIDE, Square, cut, find_sources, sky


def painted_sky(centres: list[tuple[int, int]], *, width: float = 4.0, seed: int = 0) -> np.ndarray:
    """300 x 400 noise of level 12 and deviation 3 with round sources of peak 200 at (x, y)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:300, :400]
    grey = rng.normal(12, 3, (300, 400))
    for x, y in centres:
        grey += 200 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))
    return np.repeat(grey.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)


def test_every_source_is_found_at_its_place():
    """The middle of each square is the middle of a source, within a pixel."""
    centres = [(60, 50), (300, 90), (180, 200)]
    squares = find_sources(painted_sky(centres))
    middles = [(s.left + s.side / 2, s.top + s.side / 2) for s in squares]
    np.testing.assert_allclose(middles, centres, atol=1.5)


def test_empty_sky_has_no_sources():
    """Noise alone is not taken for galaxies."""
    assert find_sources(painted_sky([])) == []


def test_a_flat_picture_has_no_sources():
    """A sky without noise ends, and holds nothing."""
    assert find_sources(np.full((50, 50, 3), 7, np.uint8)) == []


def test_a_source_at_the_border_is_left_out():
    """A square that would reach over the border is not cut."""
    squares = find_sources(painted_sky([(5, 100), (200, 150)]))
    assert len(squares) == 1
    assert abs(squares[0].left + squares[0].side / 2 - 200) <= 1


def test_squares_grow_with_their_source():
    """A square is at least 40 pixels, and 1.6 times a larger source."""
    small, large = (find_sources(painted_sky([(200, 150)], width=width))[0] for width in (3.0, 20.0))
    assert small.side == SMALLEST_SIDE
    assert large.side > 80


@pytest.mark.parametrize("seed", range(3))
def test_sky_forgets_the_bright_pixels(seed):
    """Level and noise are those of the sky, though a tenth of the pixels is far brighter."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(12, 3, 9000), rng.uniform(80, 255, 1000)])
    level, noise = sky(values)
    assert level == pytest.approx(12, abs=0.2)
    assert noise == pytest.approx(3, rel=0.05)


def test_cut_gives_the_square():
    """Rows are counted from the top, columns from the left."""
    picture = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    np.testing.assert_array_equal(cut(picture, Square(left=2, top=1, side=3)), picture[1:4, 2:5])
