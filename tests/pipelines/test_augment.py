"""boda.augment shows what training will see: the same pixels, on a sheet and in Python."""

import numpy as np
import pytest
import torch
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.pixels.augment import Augmentation, augmentation_named
from boda.pixels.augmented import augment_images
from boda.pixels.augmenting.flips import HorizontalFlip
from boda.unreadable import BadImage


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Sheets go into the current folder."""
    monkeypatch.chdir(tmp_path)


def test_views_are_what_training_sees(photos):
    """View i is epoch i of row 0, of the image decoded with room for the crop."""
    found = boda.augment(photos / "red 0.png", "notebook?size=32", count=3, seed=5)
    assert found.originals[0].shape == (37, 44, 3), "a short side of 32 x 256 / 224"
    for epoch, view in enumerate(found.views):
        expected = augment_images(found.augmentation, [found.originals[0]], seed=5, epoch=epoch, rows=[0])
        np.testing.assert_array_equal(view.pixels, expected.pixels[0].numpy())
        assert (view.flipped, view.epoch) == (expected.flipped[0], epoch)
    assert found.sheet is None


def test_without_a_crop_images_stay_as_they_are(photos, tmp_path):
    """As in their file; large ones smaller; or as a network of this size takes them."""
    assert boda.augment(photos / "red 0.png", "cifar").views[0].pixels.shape == (40, 48, 3)
    assert boda.augment(photos / "red 0.png", "cifar", size=24).views[0].pixels.shape == (24, 24, 3)
    Image.new("RGB", (2000, 1000)).save(tmp_path / "large.png")
    assert boda.augment(tmp_path / "large.png", "flip", count=1).views[0].pixels.shape == (448, 896, 3)


def test_the_sheet_holds_the_image_and_every_view(photos, tmp_path):
    """In NAME-augment/ here, written over by the next one of the same name, never over what is not ours."""
    found = boda.augment(photos / "red 0.png", "cifar+erasing?p=1", count=12, show=True)
    assert found.sheet == tmp_path / "red 0-augment" / "cifar+erasing_p=1.png"
    with Image.open(found.sheet) as sheet:
        assert sheet.size == (10 + 7 * 190, sheet.height)
        dots = np.asarray(sheet.convert("RGB"))
    shown = [np.kron(view.pixels, np.ones((3, 3, 1), np.uint8)) for view in found.views]
    (first,) = [np.kron(one, np.ones((3, 3, 1), np.uint8)) for one in found.originals]
    for place, picture in enumerate([first, *shown]):
        left, top = 10 + place % 7 * 190 + 18, 37 + place // 7 * (190 + 34) + 30
        np.testing.assert_array_equal(dots[top : top + 120, left : left + 144], picture)
    boda.augment(photos / "red 0.png", "cifar+erasing?p=1", show=True)
    (tmp_path / "mine.png").write_bytes(b"x")
    with pytest.raises(Refused, match="is there already"):
        boda.augment(photos / "red 0.png", "cifar", to=tmp_path / "mine.png")
    assert boda.augment(photos / "red 0.png", "cifar", to=tmp_path / "mine.png", force=True).sheet


def test_several_images_take_turns_and_are_mixed(photos):
    """Each epoch once; partner and share say what the label is."""
    images = [photos / "red 0.png", photos / "green 0.png", photos / "blue 0.png"]
    found = boda.augment(images, "cutmix", count=7, show=True)
    assert [(view.image, view.epoch) for view in found.views] == [(i % 3, i // 3) for i in range(7)]
    for view in found.views:
        own = (view.pixels == found.originals[view.image]).all(-1).mean()
        assert view.partner == view.image or own == pytest.approx(view.share, abs=0.01)
    record = found.as_json()
    assert record["in_words"] == "cutmix"
    assert [one["partner"] for one in record["views"]] == [view.partner for view in found.views]
    assert record["sheet"] == str(found.sheet)


def test_an_augmentation_can_be_given_itself(photos):
    """In place of a name; its sheet is called so."""
    found = boda.augment(photos / "red 0.png", Augmentation((HorizontalFlip(1),)), count=1, show=True)
    np.testing.assert_array_equal(found.views[0].pixels, found.originals[0][:, ::-1])
    assert found.sheet.name == "augmentation.png"
    assert Augmentation.from_json(found.as_json()["augmentation"]) == found.augmentation


def test_no_black_corners_on_real_photographs(boda_data, tmp_path):
    """The notebook's preset on a photograph of daylight: darker than the darkest pixel only where it is asked for."""
    import tarfile

    with tarfile.open(boda_data / "imagenet_photos" / "images.tar") as tar:
        names = sorted(member.name for member in tar if member.isfile())[:1]
        tar.extractall(tmp_path, members=names, filter="data")
    plain = augmentation_named("notebook?brightness=0&contrast=0&saturation=0&hue=0&scale=1/1")
    black = augmentation_named("notebook?brightness=0&contrast=0&saturation=0&hue=0&scale=1/1&fill=0")
    photo = torch.full((60, 80, 3), 200, dtype=torch.uint8)
    for augmentation, dark in ((plain, False), (black, True)):
        seen = augment_images(augmentation, [photo] * 8, seed=0, epoch=0, rows=range(8)).pixels
        assert bool((seen < 100).any()) == dark
    found = boda.augment(tmp_path / names[0], "notebook", show=True)
    assert len(found.views) == 12 and found.sheet.is_file()


@pytest.mark.parametrize(
    ("image", "preset", "options", "error", "words"),
    [
        ("red 0.png", "noteboock", {}, NotFound, "there are none, flip, cifar"),
        ("red 0.png", "mixup", {}, Refused, "mixup mixes images with each other: give several"),
        ("nowhere.png", "cifar", {}, NotFound, "nowhere.png: nothing is there"),
        ("broken.jpg", "cifar", {}, BadImage, "broken.jpg"),
        ("red 0.png", "cifar", {"count": 0}, Refused, "count=0"),
        ("red 0.png", "cifar", {"to": "sheet.jpg"}, Refused, "a contact sheet is a PNG"),
        ("red 0.png", "cifar", {"seed": -1}, Refused, "seed=-1"),
    ],
)
def test_what_cannot_be_done_is_refused(photos, image, preset, options, error, words):
    """In one line, and nothing is written."""
    with pytest.raises(error, match=words):
        boda.augment(photos / image, preset, show=True, **options)
    assert not list(photos.parent.glob("*-augment/*"))


def test_no_images_are_refused():
    """An empty list."""
    with pytest.raises(Refused, match="no image to augment"):
        boda.augment([], "cifar")


def test_an_image_that_breaks_on_the_way_is_named(photos, monkeypatch):
    """It could be decoded a moment ago."""
    from boda.pipelines import augment
    from boda.unreadable import Code, Stage

    def broken(data, spec):
        raise BadImage(Stage.DECODE, Code.OTHER, "gone")

    monkeypatch.setattr(augment, "prepare", broken)
    with pytest.raises(BadImage, match=r"red 0.png: gone"):
        boda.augment(photos / "red 0.png", "cifar")
