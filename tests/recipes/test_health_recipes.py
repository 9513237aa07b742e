"""The recipes on label errors and duplicates, tiny."""

import csv
import io
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import duplicates
import label_errors


def cells(receipt: str, start: str) -> list[list[str]]:
    """The cells of the lines of tables that begin so."""
    lines = [line for line in receipt.splitlines() if line.startswith(f"| {start}")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_label_errors_are_counted_among_the_first(boda_data, tmp_path):
    """Two hundred images, one network: a line for it and one for the mean, beside what any order finds."""
    (tmp_path / "data" / "cifar10_test").mkdir(parents=True)
    (tmp_path / "data" / "weights").symlink_to(boda_data / "weights")
    table = pq.read_table(boda_data / "cifar10_test" / "test.parquet").slice(0, 200)
    pq.write_table(table, tmp_path / "data" / "cifar10_test" / "test.parquet")
    votes = tmp_path / "data" / "cifar10_test" / "label_errors_mturk.csv"
    votes.write_bytes((boda_data / "cifar10_test" / "label_errors_mturk.csv").read_bytes())
    assert len(label_errors.confirmed(votes)) == 54
    receipt = label_errors.run(tmp_path / "data", tmp_path / "out", networks=["resnet20"])
    found = cells(receipt, "resnet20") + cells(receipt, "mean of all")
    assert {row[2] for row in found} <= {"boda", "cleanlab"}
    assert all(float(row[1]) > 0.8 for row in found)
    assert len({tuple(row[3:]) for row in found}) == 1
    assert "seeds of folds 0" in receipt


def test_the_order_has_the_doubted_first():
    """By score among these, and among the others."""
    wrong = np.array([False, True, False, True])
    assert label_errors.order_of(wrong, np.array([0.1, 0.5, 0.0, 0.2])).tolist() == [3, 1, 2, 0]


def small_archive(source, to, names):
    with tarfile.open(source) as archive, tarfile.open(to, "w") as into:
        for member in (one for one in archive if one.isfile() and one.name in names):
            into.addfile(member, archive.extractfile(member))


def test_planted_copies_are_counted_by_evidence(boda_data, tmp_path):
    """Forty photographs, copies of four, features by hand: every change has a line; the houses have their copies."""
    data = tmp_path / "data"
    for name in ("imagenet_photos", "houses"):
        (data / name).mkdir(parents=True)
    with tarfile.open(boda_data / "imagenet_photos" / "images.tar") as archive:
        names = {one.name for one in archive if one.isfile()}
    small_archive(
        boda_data / "imagenet_photos" / "images.tar", data / "imagenet_photos" / "images.tar", set(sorted(names)[:40])
    )
    with (boda_data / "houses" / "houses.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["house"] in {"1", "2", "3", "199", "214"}]
    views = {row[view] for row in rows for view in ("frontal", "kitchen", "bedroom", "bathroom")}
    small_archive(boda_data / "houses" / "images.tar", data / "houses" / "images.tar", views)
    (data / "houses" / "houses.csv").write_bytes((boda_data / "houses" / "houses.csv").read_bytes())
    receipt = duplicates.run(data, tmp_path / "out", count=4, encoder="handmade:hog-colour")
    for change in duplicates.CHANGES:
        (line,) = [row for row in cells(receipt, change.kind) if row[1] == change.strength]
        assert len(line) == 6
        assert line[5].startswith("0 / ")
    assert cells(receipt, "recompressed")[0][2].startswith("1.00")
    assert [row for row in cells(receipt, "near duplicates") + cells(receipt, "exact duplicates") if "199_" in row[1]]


@pytest.mark.parametrize("change", duplicates.CHANGES, ids=lambda one: one.name)
def test_a_change_keeps_what_it_should(change):
    """A cut is as large as it says, nothing is empty, and the same draw gives the same."""
    image = Image.effect_mandelbrot((160, 120), (-2, -1.2, 1, 1.2), 40).convert("RGB")
    one, two = (change.make(image, np.random.default_rng(3)) for _ in range(2))
    assert one.tobytes() == two.tobytes()
    assert min(one.size) >= 30
    if change.kind == "cut":
        share = float(change.strength.split()[1]) / 100
        assert one.size == (round(160 * share), round(120 * share))
    into = io.BytesIO()
    one.convert("RGB").save(into, "JPEG", quality=change.quality)
    assert into.tell() > 300
