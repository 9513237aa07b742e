"""Ten crops are torchvision's ten crops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from boda.errors import Refused
from boda.pixels.crops import five_crops, ten_crops
from boda.torchvision_door import open_door


@given(h=st.integers(5, 40), w=st.integers(5, 40), crop=st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_crops_are_torchvisions(h: int, w: int, crop: tuple[int, int]):
    """Byte for byte and in its order, for any size: odd remainders are rounded as it rounds them."""
    open_door()
    from torchvision.transforms import functional

    image = np.random.default_rng(h * 100 + w).integers(0, 256, (h, w, 3), dtype=np.uint8)
    expected = functional.ten_crop(Image.fromarray(image), list(crop))
    np.testing.assert_array_equal(ten_crops(image, crop), np.stack([np.asarray(one) for one in expected]))
    np.testing.assert_array_equal(five_crops(image, crop), ten_crops(image, crop)[:5])


def test_an_image_smaller_than_the_crop_is_refused():
    """Nothing is padded in silence."""
    with pytest.raises(Refused, match="4 x 3"):
        ten_crops(np.zeros((4, 3, 3), np.uint8), (3, 4))
