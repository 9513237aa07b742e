"""The mesh pushes as the sum over all pairs does, and no point pushes itself."""

import numpy as np
import pytest

from boda.maps.mesh import Field, repulsion


def pushes_of(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By the sum over all pairs, as it stands in the paper."""
    off = points[:, None] - others
    near = 1 / (1 + (off**2).sum(axis=2))
    return (off * (near**2)[:, :, None]).sum(axis=1), near.sum(axis=1)


@pytest.mark.parametrize(("deviation", "within"), [(1e-4, 1e-4), (0.3, 1e-4), (5.0, 0.02), (30.0, 0.05)])
def test_the_mesh_is_the_sum_over_pairs(deviation, within):
    """From a start, where the map is tiny, to a map that is spread out; of the openTSNE FFT the error is larger."""
    points = np.random.default_rng(0).normal(0, deviation, (800, 2))
    pushes, sums = pushes_of(points, points)
    found, pairs = repulsion(points)
    assert np.linalg.norm(found - pushes) <= within * np.linalg.norm(pushes)
    assert pairs == pytest.approx(sums.sum() - len(points), rel=5e-3)


def test_all_pushes_together_are_nothing():
    """So the map does not drift; and one point alone stays where it is."""
    points = np.random.default_rng(1).normal(0, 8, (300, 2))
    found, _ = repulsion(points)
    np.testing.assert_allclose(found.sum(axis=0), 0, atol=1e-4 * np.abs(found).max())
    alone, pairs = repulsion(np.array([[3.3, -1.7]]))
    np.testing.assert_allclose(alone, 0, atol=1e-5)
    assert pairs == pytest.approx(0, abs=0.02)


def test_threads_change_nothing():
    """Bit for bit."""
    points = np.random.default_rng(2).normal(0, 20, (400, 2))
    one, two = repulsion(points), repulsion(points, workers=2)
    np.testing.assert_array_equal(one[0], two[0])
    assert one[1] == two[1]


def test_a_field_pushes_new_points_as_its_points_do():
    """Beside and between them; far beyond the mesh a point is pushed as at its edge."""
    rng = np.random.default_rng(3)
    fixed, new = rng.normal(0, 8, (300, 2)), rng.normal(0, 8, (50, 2))
    pushes, sums = pushes_of(new, fixed)
    field = Field(fixed)
    found, near = field.at(new)
    assert np.linalg.norm(found - pushes) <= 0.05 * np.linalg.norm(pushes)
    np.testing.assert_allclose(near, sums, rtol=0.05)
    far, _ = field.at(np.array([[1e6, 0.0]]))
    assert np.isfinite(far).all()
