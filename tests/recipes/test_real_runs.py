"""The real runs, tiny: a few rows and images of the real data, features made by hand unless a test says otherwise."""

import csv
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import boda
import cifar_votes
import galaxies_gz2
import galaxies_photometry
import houses
import oasis_ratings
from boda.errors import NotFound
from boda.heads.assembling import Unit
from little_data import little_data, of_each, spaced
from runs import feature_sets
from runs.feature_sets import SETS, FeatureSet, embedded
from runs.trial import Way, trial, ways


@pytest.fixture
def by_hand(monkeypatch):
    """`auto` and `mobilenet` stand for features that need no network."""
    monkeypatch.setitem(feature_sets.SETS, "auto", FeatureSet("handmade:hog-colour"))


def lines_of(receipt: str, start: str) -> list[list[str]]:
    """The cells of the lines of tables that begin so."""
    lines = [line for line in receipt.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_oasis_keeps_themes_whole_and_a_head_of_each_target(boda_data, tmp_path, by_hand):
    """The receipt has the floor beside what was chosen, and predictions are written."""
    data = little_data(boda_data, tmp_path / "data", "oasis_ratings", "ratings.csv", spaced(60))
    receipt = oasis_ratings.run(
        data, tmp_path / "out", targets=["Valence_mean"], sets=["auto"], joined=["auto"], seeds=[0, 1]
    )
    (measured, *_) = lines_of(receipt, "Valence_mean")
    assert measured[1:5] == ["spearman", "60", "0.000", "0.48"]
    assert "±" in measured[5]
    workspace = boda.open(tmp_path / "out" / "oasis.boda")
    assert [one.name for one in workspace.results("head")] == ["Valence_mean"]
    assert (tmp_path / "out" / "Valence_mean.csv").is_file()
    assert "seeds of folds 0, 1" in receipt


def test_galaxies_are_turned_by_quarter_turns_and_nothing_is_written_twice(boda_data, tmp_path):
    """Four images of each, the first as it came, and a table that says which galaxy each shows."""
    data = little_data(boda_data, tmp_path / "data", "galaxies_gz2", "catalog.csv", spaced(2))
    folder = data / "galaxies_gz2"
    rows = galaxies_gz2.turned(folder / "catalog.csv", folder / "images.tar", tmp_path / "out")
    with rows.open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["turn"] for row in table] == ["0", "1", "2", "3"] * 2
    assert len({row["galaxy"] for row in table}) == 2
    assert "file" not in table[0]
    pictures = [np.asarray(Image.open(tmp_path / "out" / "images" / row["key"])) for row in table[:4]]
    for turn, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, np.rot90(pictures[0], turn))
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out" / "images").iterdir()}
    galaxies_gz2.turned(folder / "catalog.csv", folder / "images.tar", tmp_path / "out")
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "out" / "images").iterdir()}


def test_galaxies_are_one_row_each_and_the_votes_are_a_tree(boda_data, tmp_path, by_hand):
    """Of four turns one row; and the tree of Galaxy Zoo 2 is learned from the weighted fractions."""
    data = little_data(boda_data, tmp_path / "data", "galaxies_gz2", "catalog.csv", of_each("derived_label", 8))
    receipt = galaxies_gz2.run(data, tmp_path / "out", targets=["merger"], sets=["auto"], joined=["auto"], seeds=[0])
    (measured,) = lines_of(receipt, "merger")
    assert measured[1:5] == ["auc", "32", "0.500", "0.74"]
    assert lines_of(receipt, "t01_smooth_or_features")
    assert "Fraction smooth by the tree: Spearman" in receipt
    workspace = boda.open(tmp_path / "out" / "gz2.boda")
    assert {one.name for one in workspace.results("head")} == {"derived_label-merger", "votes"}


def test_photometry_knows_no_class_and_no_redshift_but_its_own(boda_data):
    """Filled-in redshifts and magnitudes of nothing are missing; what follows from the targets is not there."""
    with (boda_data / "galaxies_photometry" / "catalog.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    clean = [galaxies_photometry.cleaned(row) for row in rows]
    known = [row["redshift"] for row in clean if row["redshift"] is not None]
    assert len(known) == 141
    assert len(set(known)) == 141
    assert all(row[band] is None or row[band] < 28 for row in clean for band in "ugriz")
    assert sum(row["g"] is None for row in clean) == 1
    assert sum(row["g_r"] is None for row in clean) == 1
    assert set(clean[0]) == {"file", "class", "redshift", *galaxies_photometry.NUMBERS}
    size = np.array([row["log_radius"] for row in clean])
    physical = np.array([np.log10(float(row["PETROR50_R_KPC"])) for row in rows])
    assert not np.allclose(size, physical)  # in the sky, not in kiloparsecs, which know the distance


def test_photometry_says_what_image_numbers_and_both_are_worth(boda_data, tmp_path, by_hand):
    """On the same folds, with what both gain over each."""
    chosen = spaced(60)
    data = little_data(boda_data, tmp_path / "data", "galaxies_photometry", "catalog.csv", chosen)
    receipt = galaxies_photometry.run(
        data, tmp_path / "out", targets=["redshift"], sets=["auto"], joined=["auto"], seeds=[0]
    )
    measured, fusion = lines_of(receipt, "redshift")
    with (data / "galaxies_photometry" / "catalog.csv").open(newline="") as file:
        known = sum(row["redshift_repeated"] == "0" for row in csv.DictReader(file))
    assert measured[2] == str(known)
    assert len(fusion) == 7


def test_houses_are_rows_and_photographs_are_not(boda_data, tmp_path, by_hand):
    """Four photographs a house, by folds of houses and of zip codes."""
    views = houses.VIEWS
    data = little_data(boda_data, tmp_path / "data", "houses", "houses.csv", spaced(40), views)
    receipt = houses.run(data, tmp_path / "out", sets=["auto"], joined=["auto"], seeds=[0])
    by_house, by_town = lines_of(receipt, "image")
    assert by_house[1:3] == by_town[1:3] == ["r2", "40"]
    assert by_house[4] == "0.53"
    assert len(lines_of(receipt, "auto, normalised, side by side")) == 1
    with (tmp_path / "out" / "prices.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 40


def test_figures_of_votes_know_no_order_of_classes():
    """Classes renamed, the figures stay; what people said predicts best, at its own entropy."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(50, rng.dirichlet(np.full(10, 0.3), 30)).astype(np.float64)
    shares, once = rng.dirichlet(np.ones(10), 30), np.ones(30)
    found = {name: one(once) for name, one in cifar_votes.figures(counts, shares).items()}
    other = rng.permutation(10)
    renamed = {name: one(once) for name, one in cifar_votes.figures(counts[:, other], shares[:, other]).items()}
    assert found == pytest.approx(renamed)
    people = counts / counts.sum(axis=1, keepdims=True)
    best = {name: one(once) for name, one in cifar_votes.figures(counts, people).items()}
    assert best["cross entropy"] == pytest.approx(cifar_votes.entropy(people).mean())
    assert best["cross entropy"] < found["cross entropy"]
    assert (best["distance"], best["majority"], best["doubt"]) == pytest.approx((0.0, 1.0, 1.0))


def test_votes_and_labels_are_compared_on_the_same_images(boda_data, tmp_path, by_hand, monkeypatch):
    """Both in the order of the counts, beside what says the same of every image."""
    data = tmp_path / "data" / "cifar10_test"
    data.mkdir(parents=True)
    pq.write_table(pq.read_table(boda_data / "cifar10_test" / "test.parquet").slice(0, 100), data / "test.parquet")
    receipt = cifar_votes.run(tmp_path / "data", tmp_path / "out", sets=["auto"])
    named = {cells[0]: cells[1:] for line in ("auto, votes", "auto, labels") for cells in lines_of(receipt, line)}
    assert set(named) == {"auto, votes", "auto, labels"}
    assert lines_of(receipt, "the same of every image")
    workspace = boda.open(tmp_path / "out" / "cifar.boda")
    counts, frame = cifar_votes.people_of(workspace), workspace.frame()
    majority = np.array(cifar_votes.CLASSES)[counts.argmax(axis=1)]
    assert (majority == np.array(frame["class"].to_pylist())).mean() > 0.95


def test_feature_sets_of_one_network_come_from_one_pass(boda_data, tmp_path):
    """Widths of the layers that are named, and one listing for all."""
    data = little_data(boda_data, tmp_path / "data", "oasis_ratings", "ratings.csv", spaced(6))
    images = data / "oasis_ratings" / "images.tar"
    workspace, ids = embedded(images, list(SETS), data=data, to=tmp_path / "w.boda")
    widths = {name: workspace.features(one).array.shape for name, one in ids.items()}
    assert widths == {
        "auto": (6, 1280),
        "expanded": (6, 1152),
        "expanded gem": (6, 1152),
        "middle": (6, 672),
        "mobilenet": (6, 1280),
    }
    with pytest.raises(NotFound, match="no feature set 'autos'; one of auto"):
        embedded(images, ["autos"], data=data, to=tmp_path / "w.boda")


def test_a_trial_of_one_view_sees_only_that_view(boda_data, tmp_path, by_hand):
    """What turning gains is measured against features of the images as they came, on the same rows and folds."""
    data = little_data(boda_data, tmp_path / "data", "galaxies_gz2", "catalog.csv", of_each("derived_label", 6))
    folder = data / "galaxies_gz2"
    rows = galaxies_gz2.turned(folder / "catalog.csv", folder / "images.tar", tmp_path)
    workspace, ids = embedded(tmp_path / "images", ["auto"], data=data, to=tmp_path / "w.boda")
    boda.label(workspace, rows)
    target = galaxies_gz2.SMOOTH
    seen = Way((ids["auto"],), "normalised", Unit("galaxy", "turn", ("0",)))
    found = trial(workspace, target, ways(ids, ["auto"], unit=Unit("galaxy")), plain=seen, seeds=[3])
    plain, _ = embedded(folder / "images.tar", ["auto"], data=data, to=tmp_path / "plain.boda")
    boda.label(plain, folder / "catalog.csv")
    alone = trial(plain, target, {"as it is": Way((ids["auto"],), "normalised")}, seeds=[3])
    assert found.rows == alone.rows == 24
    assert found.plain == pytest.approx(alone.plain, abs=0.03)
    assert sum(found.picked.values()) == 5
    assert found.best in {"auto, standardised", "auto, normalised"}


@pytest.mark.slow
def test_arousal_beats_its_floor_by_group(boda_data, tmp_path):
    """The channels before the squeeze rank arousal better than the model's own features, chosen inside the folds."""
    (tmp_path / "data" / "weights").mkdir(parents=True)
    shutil.copytree(boda_data / "oasis_ratings", tmp_path / "data" / "oasis_ratings")
    receipt = oasis_ratings.run(
        tmp_path / "data",
        tmp_path / "out",
        targets=["Arousal_mean"],
        sets=["auto", "expanded"],
        joined=["auto", "expanded"],
        seeds=[0],
    )
    (measured, *_) = lines_of(receipt, "Arousal_mean")
    assert float(measured[6].strip("*")) > 0.55 > oasis_ratings.FLOORS["Arousal_mean"]
