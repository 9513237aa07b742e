"""Recipes of autoencoders, tiny: a few real clothes, one epoch, every table and picture."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

import fashion_autoencoder
import transfer
from autoencoders.idx import first_rows, found
from autoencoders.judging import Judge, clusters_are_classes, told_by_halves
from autoencoders.pca import pca
from autoencoders.transfer_picture import transfer_picture
from boda.errors import NotFound, Refused

WAYS = {
    "published": "autoencoder?stages=4-8&features=16",
    "BatchNorm": "autoencoder?stages=4-8&features=8&batch_norm=true",
}


@pytest.fixture
def clothes(boda_data, tmp_path):
    """A folder of data with the first 1,200 images to learn from and 120 others, uncompressed."""
    folder = tmp_path / "data" / "fashion_mnist"
    for name, count in (("train", 1200), ("t10k", 120)):
        first_rows(found(boda_data / "fashion_mnist", name), count, folder)
    return tmp_path / "data"


def lines(receipt, start):
    """The cells of the lines of tables that begin so."""
    found = [line for line in receipt.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found]


def test_the_first_rows_are_the_first_rows(clothes, boda_data, tmp_path):
    """Of compressed files and of plain ones; they are not written twice; without a count nothing is written."""
    whole = found(boda_data / "fashion_mnist", "t10k")
    part = found(clothes / "fashion_mnist", "t10k")
    assert struct.unpack(">HBB3I", part.images.read_bytes()[:16]) == (0, 8, 3, 120, 28, 28)
    np.testing.assert_array_equal(part.pixels(), whole.pixels()[:120])
    np.testing.assert_array_equal(part.classes(), whole.classes()[:120])
    before = part.images.stat().st_mtime_ns
    again = first_rows(whole, 120, clothes / "fashion_mnist")
    assert again == part
    assert again.images.stat().st_mtime_ns == before
    assert first_rows(whole, None, tmp_path / "none") == whole
    assert not (tmp_path / "none").exists()
    with pytest.raises(NotFound, match="fashion_mnist"):
        found(tmp_path, "train")


def test_compressed_rows_are_read(tmp_path):
    """As the set comes."""
    data = struct.pack(">HBB1I", 0, 8, 1, 3) + bytes([7, 0, 9])
    (tmp_path / "t-labels-idx1-ubyte.gz").write_bytes(gzip.compress(data))
    (tmp_path / "t-images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 1, 1, 2) + bytes([1, 2]))
    one = found(tmp_path, "t")
    assert one.classes().tolist() == [7, 0, 9]
    assert one.pixels().tolist() == [[[1, 2]]]


def test_principal_components_are_those_of_scikit_learn():
    """What they give back is off by as much."""
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    train, held = rng.integers(0, 256, (60, 4, 5), np.uint8), rng.integers(0, 256, (30, 4, 5), np.uint8)
    ours = pca(train)
    theirs = PCA(7, svd_solver="full").fit(train.reshape(60, -1) / 255)
    flat = held.reshape(30, -1) / 255
    expected = np.square(theirs.inverse_transform(theirs.transform(flat)) - flat).mean()
    assert ours.error(held, 7) == pytest.approx(expected)
    np.testing.assert_allclose(np.abs(ours.features(held, 7)), np.abs(theirs.transform(flat)), atol=1e-9)
    assert ours.error(train, 20) == pytest.approx(0, abs=1e-12)


def test_features_are_judged_by_rows_that_the_head_did_not_learn_from(tmp_path):
    """Classes that are far apart are told and clustered; noise is told by chance; what was judged is remembered."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 240)
    apart = np.eye(3)[classes] * 9 + rng.normal(size=(240, 3))
    noise = rng.normal(size=(240, 60))
    assert told_by_halves(apart, classes) == 1
    assert clusters_are_classes(apart, classes) == 1
    assert told_by_halves(noise, classes) < 0.5
    assert abs(clusters_are_classes(noise, classes)) < 0.1
    found = Judge(tmp_path / "judged.json", classes).worth("apart", lambda: apart)
    assert (found.accuracy, found.ari) == (1, 1)

    def never():
        raise AssertionError("judged twice")

    assert Judge(tmp_path / "judged.json", classes).worth("apart", never) == found


@pytest.mark.slow
def test_the_receipt_has_every_table_and_goes_on(clothes, tmp_path):
    """Errors beside the published ones, variants with differences, baselines; pictures; the same again is the same."""
    how = {"epochs": 1, "seeds": 2, "rows": 300, "ways": WAYS}
    receipt = fashion_autoencoder.run(clothes, tmp_path / "out", **how)
    assert "300 training images, 100 validation images, 2 seeds" in receipt
    ((_, *errors),) = lines(receipt, "1")
    assert "±" in errors[0]
    assert errors[1] == ""
    (own, below) = lines(receipt, "published")[0], lines(receipt, "BatchNorm")[0]
    assert own[1:3] == ["16", "0.01"]
    assert own[5] == ""
    assert below[1] == "8"
    assert below[5].startswith(("+", "-"))
    raw, wide, narrow = (
        lines(receipt, name)[0] for name in ("raw pixels", "16 principal components", "8 principal components")
    )
    assert raw[1] == "784"
    assert float(raw[4]) > 50
    assert 0 < float(wide[3]) < float(narrow[3])
    assert len(lines(receipt, "published form, nothing learned")) == 1
    assert "seeds of weights and order 0, 1" in receipt
    for name in ("reconstructions", "centres", "traversal", "interpolation"):
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert min(picture.size) > 100
    assert (tmp_path / "out" / "published" / "published-0" / "epoch-0000.safetensors").is_file()
    again = fashion_autoencoder.run(clothes, tmp_path / "out", **how)
    assert again.splitlines()[:-1] == receipt.splitlines()[:-1]


@pytest.mark.slow
def test_a_shorter_ablation_trains_the_published_form_anew(clothes, tmp_path):
    """On the same fewer images as the variants, so that only one thing differs."""
    receipt = fashion_autoencoder.run(
        clothes, tmp_path / "out", epochs=1, seeds=1, rows=300, ablation_rows=150, ways=WAYS
    )
    assert "150 training images, 1 seeds, 1 epochs" in receipt
    folders = {place.name for place in (tmp_path / "out" / "ablation").iterdir()}
    assert folders == {"published-0", "BatchNorm-0"}


@pytest.mark.slow
def test_transfer_compares_both_ways(clothes, tmp_path):
    """Curves at equal epochs, the pairing and a picture; a run with a start begins with the other's encoder."""
    from safetensors.torch import load_file

    pairing = transfer.Pairing(2, 1)
    receipt = transfer.run(clothes, tmp_path / "out", scale=0.004, seeds=2, pairing=pairing, net=WAYS["published"])
    assert "240 training and 120 validation images" in receipt
    assert "the shorter form" in receipt
    assert len(lines(receipt, "1")) == len(lines(receipt, "3")) == 2
    assert "classifier 2 epochs, then autoencoder 1:" in receipt
    assert "autoencoder 2 epochs, then classifier 1:" in receipt
    assert (tmp_path / "out" / "transfer.png").read_bytes().startswith(b"\x89PNG")
    other = load_file(tmp_path / "out" / "classifier-0" / "epoch-0002.safetensors")
    own = load_file(tmp_path / "out" / "autoencoder-0" / "epoch-0002.safetensors")
    assert not np.allclose(other["encoder.0.weight"], own["encoder.0.weight"])
    with pytest.raises(Refused, match="scale=2"):
        transfer.run(clothes, tmp_path / "out", scale=2)


def test_a_transfer_is_drawn_on_matching_axes(monkeypatch):
    """Training beside validation with one range, for each task."""
    from matplotlib.figure import Figure

    figures = []
    saved = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (figures.append(self), saved(self, *a, **k))[1])
    curves = {"from scratch": np.array([[0.4, 0.3, 0.2]]), "from the classifier": np.array([[0.2, 0.1]])}
    lower = {name: values / 2 for name, values in curves.items()}
    transfer_picture({"one": (lower, curves), "other": (curves, curves)})
    axes = figures[0].axes
    assert len(axes) == 4
    for left, right in (axes[:2], axes[2:]):
        assert left.get_ylim() == right.get_ylim()
        assert left.get_xlim() == right.get_xlim()


def test_epochs_to_reach_an_error():
    """The first that is as low; none where it never is."""
    assert transfer.epochs_to_reach([0.5, 0.3, 0.4], 0.4) == 2
    assert transfer.epochs_to_reach([0.5, 0.3], 0.2) is None
