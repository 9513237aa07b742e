"""Pictures for people come from decoder processes, whole and upright, and no file takes this process with it."""

import numpy as np
from PIL import Image

from boda.pipelines.thumbnails import seen, thumbnails
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.sources.opening import open_source
from boda.unreadable import Unreadable


def test_a_picture_is_whole_in_the_middle_of_a_square(tmp_path):
    """A wide image has white above and below, a small one is not enlarged, a bad one has its reason."""
    Image.new("RGB", (200, 100), "red").save(tmp_path / "a wide.png")
    Image.new("RGB", (10, 20), "blue").save(tmp_path / "b small.png")
    (tmp_path / "c bad.png").write_bytes(b"no image")
    source = open_source(tmp_path)
    wide, small, bad = thumbnails(source, list(source.entries()), 40)
    assert isinstance(bad, Unreadable)
    assert str(bad).startswith("identify/not_an_image")
    red, blue = (np.asarray(one) for one in (wide, small))
    assert red.shape == blue.shape == (40, 40, 3)
    assert (red[10:30] == (255, 0, 0)).all()
    assert (red[:10] == 255).all()
    assert (red[30:] == 255).all()
    assert (blue[10:30, 15:25] == (0, 0, 255)).all()
    assert (blue == (0, 0, 255)).all(axis=2).sum() == 200


def test_pixels_are_those_of_prepare(photos):
    """Decoded elsewhere, they are the same bytes."""
    source, spec = open_source(photos), PixelSpec(resize=32, crop=(24, 24))
    refs = list(source.entries())
    for ref, one in zip(refs, seen(source, refs, spec), strict=True):
        if ref.key == "broken.jpg":
            assert isinstance(one, Unreadable)
        else:
            np.testing.assert_array_equal(one, prepare(source.read(ref).data, spec)[0])


def test_nothing_asked_is_nothing_started(photos):
    """No images need no process."""
    assert thumbnails(open_source(photos), [], 40) == []
