"""The picture of a sweep: the data and the nulls side by side, for one k as for many."""

import numpy as np
import pytest

from boda.errors import Refused
from boda.pictures.clusters_sweep import Curve, Panel, clusters_sweep

RED, GREY, BAND = (180, 55, 31), (138, 143, 152), (247, 232, 226)


def pixels(picture, colour):
    """(p, 2) places of this colour: rows and columns."""
    return np.argwhere((np.asarray(picture) == colour).all(axis=2))


def test_data_and_null_are_drawn_at_their_heights_and_the_supported_k_is_marked():
    """A data curve near 1 lies above a null near 0, and a band stands behind the k that is named."""
    panel = Panel("halves", Curve([1.0, 0.9, 0.8], [1, 0.8, 0.7], [1, 1, 0.9]), {"null": Curve([0.1, 0.2, 0.2])})
    picture = clusters_sweep(["2", "5", "10"], [panel], supported=1)
    red, grey = pixels(picture, RED), pixels(picture, GREY)
    assert np.median(red[:, 0]) < np.median(grey[:, 0])
    band = pixels(picture, BAND)
    assert len(band) > 1000
    assert band[:, 1].max() - band[:, 1].min() < picture.width / 3
    assert not len(pixels(clusters_sweep(["2"], [Panel("x", Curve([0.5]))]), BAND))


def test_figures_that_are_not_there_leave_a_gap():
    """A k without a figure has no point; a sweep without any is refused."""
    assert len(pixels(clusters_sweep(["2", "3"], [Panel("silhouette", Curve([None, -0.2]))]), RED))
    with pytest.raises(Refused, match="nothing to draw"):
        clusters_sweep([], [])
