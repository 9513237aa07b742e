"""Which images are looked at, for every verb that looks at some."""

import numpy as np
import pytest

from boda.errors import NotFound, Refused
from boda.pipelines.explaining.images import files, images_of, read, read_again, read_file, rows_of_workspace
from boda.pixels.spec import PixelSpec
from decoding_here import decoded

SPEC = PixelSpec(resize=(8, 8), crop=None)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process."""
    monkeypatch.setattr("boda.pipelines.thumbnails.decoded", decoded)


def rows(workspace, seed: int = 0, **more) -> tuple[list[str], int]:
    found = rows_of_workspace(
        workspace, images_of(workspace), workspace.features(), rng=np.random.default_rng(seed), **more
    )
    return [one.key for one in found.refs], found.of


def test_rows_that_are_named_come_in_that_order_and_once(workspace):
    """However many may be drawn."""
    first, second, *_ = list(workspace.features().keys)
    assert rows(workspace, limit=1, row=[second, first, second]) == ([second, first], 2)


def test_of_more_rows_some_are_drawn_in_their_order(workspace):
    """By the seed; where there are no more, all."""
    keys = list(workspace.features().keys)
    some, of = rows(workspace, limit=5)
    assert of == len(keys) and len(some) == 5 and some == sorted(some, key=keys.index)
    assert rows(workspace, limit=5)[0] == some != rows(workspace, seed=1, limit=5)[0]
    assert rows(workspace, limit=len(keys))[0] == keys


def test_rows_without_features_and_conditions_that_nothing_meets_are_refused(workspace):
    """With the reason."""
    with pytest.raises(Refused, match=r"has no features of .*quarantined"):
        rows(workspace, limit=1, row=["broken.jpg"])
    with pytest.raises(NotFound, match="no image"):
        rows(workspace, limit=1, row=["red 9.png"])
    with pytest.raises(NotFound, match="no image with features meets"):
        rows(workspace, limit=1, where="width == 7")


def test_of_files_those_that_cannot_be_read_are_told(photos):
    """The others keep their order; each can be read again, and by its path."""
    chosen = files([photos], limit=100, rng=np.random.default_rng(0))
    pixels, unseen = read(chosen, SPEC)
    assert list(unseen) == ["broken.jpg"] and chosen.of == len(chosen.every) == len(pixels) + 1
    good = [one for one in chosen.refs if one.key not in unseen]
    np.testing.assert_array_equal(np.stack(read_again(chosen.source, good, SPEC)), pixels)
    np.testing.assert_array_equal(read_file(str(photos / good[0].key), SPEC), pixels[0])
    with pytest.raises(Refused, match=r"broken\.jpg cannot be read"):
        read_file(str(photos / "broken.jpg"), SPEC)
    with pytest.raises(Refused, match=r"broken\.jpg cannot be read"):
        read_again(chosen.source, [chosen.every["broken.jpg"]], SPEC)


def test_no_images_are_refused(tmp_path):
    """An empty folder."""
    with pytest.raises(Refused, match="no images in"):
        files([tmp_path], limit=3, rng=np.random.default_rng(0))
