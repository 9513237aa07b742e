"""Contact sheets hold every tile in its place, whatever the images and the names are."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from boda.pictures.sheet import Tile, contact_sheet, thumbnail, write_sheet, written_by
from boda.unreadable import Unreadable


def plain(colour, size=(64, 48)) -> Image.Image:
    return Image.new("RGB", size, colour)


def test_tiles_stand_in_reading_order():
    """Row by row, left to right; images are never enlarged nor stretched."""
    tiles = [Tile(plain((10 * i, 0, 0)), (f"{i}",)) for i in range(1, 8)]
    sheet = np.asarray(contact_sheet(tiles, columns=3, side=50))
    reds = [sheet[10 + 25 + row * 77, 10 + 25 + column * 60, 0] for row in range(3) for column in range(3)]
    assert reds[:7] == [10, 20, 30, 40, 50, 60, 70]
    assert reds[7:] == [255, 255]


def test_what_cannot_be_shown_keeps_its_place():
    """A grey tile stands there, with the reason."""
    sheet = np.asarray(
        contact_sheet([Tile(None, ("x",), "decode/truncated: 8 of 20 bytes"), Tile(plain("red"))], side=90)
    )
    assert tuple(sheet[95, 95]) == (205, 205, 205)
    assert (sheet[10:100, 10:100] < 100).any(), "the reason is written"


@pytest.mark.parametrize(
    "name", ["사진.jpg", "a" * 250, "two\nlines", "caf\udce9.jpg", "\x1b[31mred", "", "مرحبا", "🎉"]
)
def test_any_name_can_be_a_caption(name):
    """Long, Korean, hostile and empty names are drawn, shortened or escaped."""
    sheet = contact_sheet([Tile(plain("blue"), (name, name))] * 2, columns=5, side=80, title=name)
    assert sheet.width == 10 + 2 * 90


def test_a_thumbnail_is_upright_and_whole():
    """EXIF orientation is applied, the shape is kept, and the long side fits."""
    exif = Image.Exif()
    exif[0x0112] = 6
    into = BytesIO()
    Image.new("RGB", (200, 100), "red").save(into, "JPEG", exif=exif)
    small = thumbnail(into.getvalue(), 40)
    assert isinstance(small, Image.Image)
    assert small.size == (20, 40)


def test_a_bad_image_gives_its_reason():
    """Instead of a picture there is a verdict."""
    assert isinstance(thumbnail(b"no image", 40), Unreadable)
    assert isinstance(thumbnail(b"", 40), Unreadable)


def test_a_sheet_is_known_again_by_its_mark(tmp_path):
    """The mark is in the PNG; other files, and no file, do not have it."""
    path = tmp_path / "sheet.png"
    assert not written_by(path, "boda search")
    write_sheet(contact_sheet([Tile(plain("red"))]), path, mark="boda search")
    assert written_by(path, "boda search")
    assert not written_by(path, "boda demo")
    plain("red").save(tmp_path / "other.png")
    assert not written_by(tmp_path / "other.png", "boda search")
    (tmp_path / "text.png").write_text("x")
    assert not written_by(tmp_path / "text.png", "boda search")
    assert not list(tmp_path.glob("*.part"))


def test_every_odd_file_becomes_a_picture_or_a_reason(boda_data):
    """Real files that are hard to read never stop a sheet."""
    tiles = []
    for file in sorted(path for path in (boda_data / "odd_formats" / "files").rglob("*") if path.is_file()):
        drawn = thumbnail(file.read_bytes(), 60)
        tiles.append(
            Tile(None, (file.name,), str(drawn)) if isinstance(drawn, Unreadable) else Tile(drawn, (file.name,))
        )
    assert sum(tile.image is not None for tile in tiles) > 80
    assert contact_sheet(tiles, columns=12, side=60).width == 10 + 12 * 70
