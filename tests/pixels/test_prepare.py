"""prepare and prepare_each: one decode for many, one verdict for each, no noise."""

import subprocess
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from boda.errors import Refused
from boda.pixels import identify
from boda.pixels.prepare import prepare, prepare_each
from boda.pixels.quiet import quiet
from boda.pixels.spec import PixelSpec
from boda.unreadable import BadImage, Code, Stage, Unreadable

SPECS = [
    PixelSpec(resize=32, crop=(28, 28)),
    PixelSpec(resize=32, crop=(28, 28), decoder="exact"),
    PixelSpec(resize=(40, 50), crop=None, filter="bilinear"),
    PixelSpec(resize=8, crop=(8, 8), filter="lanczos"),
    PixelSpec(resize=None, crop=(100, 200)),
    PixelSpec(resize=32, crop=(28, 28), range=(0, 4095)),
    PixelSpec(resize=32, crop=(28, 28), stretch="log:0,900"),
    PixelSpec(resize=300, crop=(28, 28), antialias=False),
]


def files(photo: Image.Image, encode: Any) -> dict[str, bytes]:
    large = photo.resize((961, 721), Image.Resampling.BICUBIC)
    deep = Image.fromarray(np.linspace(0, 65535, 48 * 40).astype(np.uint16).reshape(40, 48))
    numbers = Image.fromarray(np.linspace(0, 900, 48 * 40).astype(np.float32).reshape(40, 48))
    whole = encode(large, "JPEG", quality=90)
    return {
        "large jpeg": whole,
        "cut jpeg": whole[:-400],
        "png": encode(photo, "PNG"),
        "gif": encode(photo, "GIF", save_all=True, append_images=[photo.rotate(180)]),
        "16 bits": encode(deep, "PNG"),
        "numbers": encode(numbers, "TIFF"),
        "long": encode(photo.resize((2000, 4)), "PNG"),
        "text": b"no image",
        "empty": b"",
    }


@pytest.mark.parametrize("name", ["large jpeg", "cut jpeg", "png", "gif", "16 bits"])
def test_each_is_as_if_alone(photo: Image.Image, encode: Any, name: str) -> None:
    """Bit for bit, in the order of the specs."""
    check_each(files(photo, encode)[name])


@pytest.mark.parametrize("name", ["numbers", "long", "text", "empty"])
def test_each_is_as_if_alone_where_some_fail(photo: Image.Image, encode: Any, name: str) -> None:
    """The same verdicts and warnings too."""
    check_each(files(photo, encode)[name])


def check_each(data: bytes) -> None:
    together = prepare_each(data, SPECS)
    assert len(together) == len(SPECS)
    for spec, answer in zip(SPECS, together, strict=True):
        if isinstance(answer, Unreadable):
            with pytest.raises(BadImage) as caught:
                prepare(data, spec)
            assert caught.value.unreadable == answer
        else:
            pixels, facts = prepare(data, spec)
            np.testing.assert_array_equal(answer[0], pixels)
            assert answer[1] == facts


def test_specs_that_agree_share_one_decode(photo: Image.Image, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is opened once and decoded once."""
    opened, loaded = [], []
    load = ImageFile.ImageFile.load
    open_image = identify.open_with_pillow
    monkeypatch.setattr("boda.pixels.decode.open_with_pillow", lambda data: opened.append(1) or open_image(data))
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda self: (loaded.append(1) if self.tile else None, load(self))[1]
    )
    prepare_each(encode(photo, "JPEG"), [PixelSpec(resize=32, crop=(28, 28)), PixelSpec(resize=40, crop=(32, 32))])
    assert (len(opened), len(loaded)) == (1, 1)


def test_unmapped_exceptions_name_their_type(photo: Image.Image, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`decode/other`: one bad image, not the end of a run."""

    def fail(*_: object, **__: object) -> None:
        raise ReferenceError("odd")

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    (answer,) = prepare_each(encode(photo, "PNG"), SPECS[:1])
    assert answer == Unreadable(Stage.DECODE, Code.OTHER, "ReferenceError: odd")


def test_no_memory_is_a_verdict(photo: Image.Image, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while decoding."""

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(BadImage, match="decode/memory_limit"):
        prepare(encode(photo, "PNG"), SPECS[0])


def test_other_rules_are_refused(photo: Image.Image, encode: Any) -> None:
    """Pixels of other rules are not mixed with these."""
    with pytest.raises(Refused, match="rules 99"):
        prepare(encode(photo, "PNG"), PixelSpec(resize=8, crop=(8, 8), rules=99))


def test_nothing_to_do(photo: Image.Image, encode: Any) -> None:
    """No specs, no answers."""
    assert prepare_each(encode(photo, "PNG"), []) == []


def test_loads_only_numpy_and_pillow() -> None:
    """It runs in every decoder process."""
    heavy = [
        "torch",
        "torchvision",
        "scipy",
        "skimage",
        "sklearn",
        "astropy",
        "pillow_heif",
        "pyarrow",
        "matplotlib",
        "rich",
        "pebble",
    ]
    code = f"import sys, boda.pixels.prepare; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class TestWarnings:
    """Pillow's warnings neither leak nor become errors; here the test run makes every warning an error."""

    def test_large_images_do_not_warn(self, photo: Image.Image, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pillow warns at half of the limit at which it refuses."""
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
        assert prepare(encode(photo, "PNG"), SPECS[0])[0].shape == (28, 28, 3)

    def test_in_many_threads(self, photo: Image.Image, encode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """None leaks, whichever thread ends first."""
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6000)
        data, wrong = encode(photo, "PNG"), []

        def work() -> None:
            for _ in range(30):
                answer = prepare_each(data, SPECS[:1])[0]
                if isinstance(answer, Unreadable):
                    wrong.append(answer)

        before = list(warnings.filters)
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert list(warnings.filters) == before

    def test_only_theirs_are_kept_quiet(self) -> None:
        """Other people's warnings go their way."""
        with quiet(), pytest.warns(UserWarning, match="ours"):
            warnings.warn("ours", stacklevel=1)
