"""The demonstration's images are real, the same every time, and touched only where they differ."""

import csv

import numpy as np
import pytest
from PIL import Image
from skimage import data
from sklearn.datasets import load_digits

from boda.errors import NotFound
from boda.pipelines.demonstration.images import CUT_SHORT, PHOTOGRAPHS, shipped, write_images


def files(folder):
    """Bytes and time of every file, by path."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns) for p in found}


def test_a_second_call_touches_nothing(tmp_path):
    """Files that are as they should be keep their time, so that nothing is embedded again."""
    write_images(tmp_path, digits=20)
    before = files(tmp_path)
    write_images(tmp_path, digits=20)
    assert files(tmp_path) == before


def test_a_half_written_file_is_made_whole(tmp_path):
    """What an interrupted call left half is written again, and only that."""
    write_images(tmp_path, digits=5)
    before = files(tmp_path)
    path = tmp_path / "images" / "photographs" / "coffee.png"
    path.write_bytes(path.read_bytes()[:1000])
    write_images(tmp_path, digits=5)
    after = files(tmp_path)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == ["images/photographs/coffee.png"]
    assert {name: data for name, (data, _) in after.items()} == {name: data for name, (data, _) in before.items()}


def test_each_digit_stands_in_the_folder_of_its_class(tmp_path):
    """The folder's name is scikit-learn's label, and the picture shrinks back to scikit-learn's values."""
    written = write_images(tmp_path, digits=12)
    digits = load_digits()
    for number in range(12):
        path = written.folder / "digits" / str(digits.target[number]) / f"{number:04d}.png"
        with Image.open(path) as image:
            assert image.size == (96, 96)
            small = np.asarray(image.resize((12, 12), Image.Resampling.BOX), float)[2:-2, 2:-2] * 16 / 255
        assert np.corrcoef(small.ravel(), digits.images[number].ravel())[0, 1] > 0.97
        assert np.abs(small - digits.images[number]).mean() < 1.5


def test_photographs_are_those_that_ship(tmp_path):
    """What is written decodes to what scikit-image loads."""
    written = write_images(tmp_path, digits=0)
    with Image.open(written.folder / "photographs" / "chelsea.png") as image:
        np.testing.assert_array_equal(np.asarray(image), data.chelsea())
    assert len(list((written.folder / "photographs").iterdir())) == len(PHOTOGRAPHS) + 1


def test_galaxies_are_cut_from_the_picture_of_the_sky(tmp_path):
    """The name of a galaxy says where in the picture it is."""
    written = write_images(tmp_path, digits=0)
    sky = data.hubble_deep_field()
    assert len(written.squares) > 100
    for square in written.squares[::40]:
        with Image.open(written.folder / "galaxies" / f"x{square.left:03d}-y{square.top:03d}.png") as image:
            expected = sky[square.top : square.top + square.side, square.left : square.left + square.side]
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_one_photograph_is_cut_in_half(tmp_path):
    """The file that shows the quarantine is a real one whose end is missing."""
    written = write_images(tmp_path, digits=0)
    cut, whole = (written.folder / CUT_SHORT).read_bytes(), shipped("rocket.jpg").read_bytes()
    assert whole.startswith(cut)
    assert len(cut) == len(whole) // 2


def test_the_table_names_every_image_but_the_broken_one(tmp_path):
    """Keys of the table are the files, relative to the folder."""
    written = write_images(tmp_path, digits=30)
    with written.labels.open(newline="") as file:
        keys = {row["key"] for row in csv.DictReader(file)}
    there = {str(p.relative_to(written.folder)) for p in written.folder.rglob("*") if p.is_file()}
    assert there - keys == {CUT_SHORT}
    assert keys <= there


def test_a_picture_that_does_not_ship_is_not_downloaded():
    """A missing picture is an error that says what to install."""
    with pytest.raises(NotFound, match=r"does not ship brain\.tiff: install"):
        shipped("brain.tiff")
