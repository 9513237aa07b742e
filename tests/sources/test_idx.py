"""IDX files: rows as images, labels beside them."""

import gzip
import io
import struct

import numpy as np
import pytest
from PIL import Image

from boda.errors import SourceError
from boda.keys import from_bytes
from boda.sources.opening import open_source
from boda.unreadable import BadImage

GREY = np.arange(4 * 3 * 5, dtype=np.uint8).reshape(4, 3, 5)
COLOUR = np.arange(2 * 3 * 5 * 3, dtype=np.uint8).reshape(2, 3, 5, 3)


def pixels(source, ref) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(source.read(ref).data)))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
def test_rows_are_the_images(tmp_path, idx_of, images, packed):
    """In any order, by an independent decoder."""
    path = idx_of(tmp_path, "t", images, None, packed=packed)
    source = open_source(path)
    refs = list(source.entries())
    assert [ref.key for ref in refs] == [f"{path.name}#{row}" for row in range(len(images))]
    for row in [*range(len(images)), *range(len(images) - 1, -1, -1)]:
        np.testing.assert_array_equal(pixels(source, refs[row]), images[row])


def test_labels_beside_become_the_column_label(tmp_path, idx_of):
    """Of each image by its key."""
    source = open_source(idx_of(tmp_path, "t", GREY, np.array([7, 0, 255, 1], np.uint8), packed=True))
    table = source.columns()
    assert table.column("label").to_pylist() == [7, 0, 255, 1]
    assert [from_bytes(key) for key in table.column("key").to_pylist()] == [ref.key for ref in source.entries()]


def test_a_folder_of_pairs_is_opened_whole(tmp_path, idx_of):
    """Images without labels have null."""
    idx_of(tmp_path, "train", GREY, np.zeros(4, np.uint8), packed=False)
    idx_of(tmp_path, "t10k", GREY[:1], None, packed=True)
    source = open_source(tmp_path)
    assert [ref.key for ref in source.entries()] == [
        "t10k-images-idx3-ubyte.gz#0",
        *(f"train-images-idx3-ubyte#{row}" for row in range(4)),
    ]
    assert source.columns().column("label").to_pylist() == [None, 0, 0, 0, 0]


def test_a_header_tells_where_the_name_does_not(tmp_path):
    """IDX under any name; without labels beside it there are no columns."""
    (tmp_path / "digits.bin").write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, *GREY.shape) + GREY.tobytes())
    source = open_source(tmp_path / "digits.bin")
    assert len(list(source.entries())) == 4
    assert source.columns() is None


def test_labels_alone_are_refused_with_what_to_give(tmp_path, idx_of):
    """The file of images beside them."""
    idx_of(tmp_path, "t", GREY, np.zeros(4, np.uint8), packed=False)
    with pytest.raises(SourceError, match="labels; give the file of images beside them"):
        list(open_source(tmp_path / "t-labels-idx1-ubyte").entries())


def test_labels_that_do_not_fit_are_an_error(tmp_path, idx_of):
    """Never cut, never padded."""
    source = open_source(idx_of(tmp_path, "t", GREY, np.zeros(3, np.uint8), packed=False))
    with pytest.raises(SourceError, match=r"shape \(3,\) do not fit 4 images"):
        source.columns()


@pytest.mark.parametrize("packed", [False, True])
def test_rows_beyond_the_end_of_a_cut_file_are_errors(tmp_path, idx_of, packed):
    """The header promises more than there is: those rows alone are refused."""
    path = idx_of(tmp_path, "t", GREY, None, packed=False)
    cut = path.read_bytes()[: 16 + 15 * 2 + 3]
    path.write_bytes(gzip.compress(cut) if packed else cut)
    source = open_source(path)
    first, _, third, _ = source.entries()
    np.testing.assert_array_equal(pixels(source, first), GREY[0])
    with pytest.raises(BadImage, match=r"read/(truncated|corrupt|unreachable)"):
        source.read(third)


@pytest.mark.parametrize("data", [b"", b"text", b"\0\0\x0d\3" + bytes(40), gzip.compress(b"\0\0\x08\3", mtime=0)[:20]])
def test_what_is_no_idx_of_bytes_is_an_error_of_one_line(tmp_path, data):
    """Empty, text, floats, a cut header."""
    (tmp_path / "t-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(SourceError, match="t-images-idx3-ubyte") as caught:
        list(open_source(tmp_path / "t-images-idx3-ubyte").entries())
    assert "\n" not in str(caught.value)


def test_fashion_mnist_has_its_images_and_a_thousand_of_each_class(boda_data):
    """The 10,000 test images, and their labels."""
    folder = boda_data / "fashion_mnist"
    source = open_source(folder / "t10k-images-idx3-ubyte.gz")
    refs = list(source.entries())
    assert len(refs) == 10_000
    labels = np.array(source.columns().column("label").to_pylist())
    np.testing.assert_array_equal(np.bincount(labels), [1000] * 10)
    raw = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
    plain = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    for row in (0, 1, 5000, 9999, 3):
        np.testing.assert_array_equal(pixels(source, refs[row]), plain[row])


def test_the_folder_of_fashion_mnist_is_seventy_thousand_images(boda_data):
    """Test and train, each with its labels."""
    source = open_source(boda_data / "fashion_mnist")
    assert sum(1 for _ in source.entries()) == 70_000
    table = source.columns()
    assert (table.num_rows, table.column("label").null_count) == (70_000, 0)
