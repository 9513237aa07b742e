"""The gallery of explanations, tiny: questions of real data, one part from beginning to end, sums of attention."""

import json
import math
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import boda
import explain_gallery
from autoencoders.idx import first_rows, found
from autoencoders.runs import Runs
from boda.explanations.head_score import answers_of
from explained import questions
from explained.attending import attended, drawn_vit
from explained.looking import LOOKED, Amount, Methods, looked
from explained.questions import Here
from explained.saying import moved_table, part_table, part_words, sums_table
from explained.showing import gallery_picture
from little_data import little_data, of_each, spaced

TWO = Methods(("grad-cam", "integrated-gradients"), ("gradient", "grad-cam"))
LITTLE = Amount(explained=2, ranked=2)


def cells(text, start):
    """The cells of the lines of tables that begin so."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def asked_of(question, **more):
    """What `boda.explain` says of one image, without checks."""
    return boda.explain(
        question.workspace, score=question.score, head=question.head, answer=question.answer, recipe=question.recipe,
        weights=question.weights, row=question.rows[:1], where=question.where, limit=1, check=False, **more,
    )  # fmt: skip


def test_a_part_is_explained_ranked_drawn_and_not_done_twice(boda_data, tmp_path, monkeypatch):
    """Of CIFAR images by a small ResNet; other amounts are another part."""
    monkeypatch.setattr(questions, "SMALL", 8)
    here, asked = Here(boda_data, tmp_path), []

    def question():
        asked.append(1)
        return questions.cifar(here, 20)

    said = looked(question, tmp_path / "resnet20", TWO, LITTLE, 0)
    (first, second) = (cells(part_table(said), method)[0] for method in ("grad-cam", "gradient"))
    assert first[4].endswith(" of 2")
    assert second[4] == ""
    assert cells(part_table(said), "integrated-gradients")[0][1:4] == ["", "", ""]
    assert cells(part_table(said), "integrated-gradients")[0][6].endswith(" %")
    assert part_words(said).startswith("2 images explained, 2 ranked (logit).")
    assert "standard deviations from the stored scores" in part_words(said)
    assert len(said["explained"]["images"]) == 2
    assert looked(question, tmp_path / "resnet20", TWO, LITTLE, 0) == said
    assert asked == [1]
    picture = Image.open(BytesIO(gallery_picture({"one": tmp_path / "resnet20"}, TWO.shown, places=(1, 2), columns=1)))
    assert picture.width > 3 * 96
    with_refused = gallery_picture({"one": tmp_path / "resnet20"}, (*TWO.shown, "attention"), columns=1)
    assert Image.open(BytesIO(with_refused)).width > picture.width
    assert json.loads((tmp_path / "resnet20" / LOOKED).read_text()) == said
    alone = looked(question, tmp_path / "resnet20", TWO, Amount(explained=1, ranked=0), 0)
    assert asked == [1, 1]
    assert "maps alone" in part_words(alone)
    assert part_table(alone) == ""


@pytest.mark.slow
def test_galaxies_are_asked_for_mergers_and_for_votes(boda_data, tmp_path):
    """Both by the places of the middle of the network, 14 x 14."""
    data = little_data(boda_data, tmp_path / "data", "galaxies_gz2", "catalog.csv", of_each("derived_label", 6))
    here = Here(data, tmp_path)
    merger, smooth = questions.merger(here), questions.smooth(here)
    assert merger.answer in answers_of(merger.head)
    assert smooth.answer in answers_of(smooth.head)
    (one,) = asked_of(merger, to=tmp_path / "merger").explained
    assert one.maps.shape == (14, 14)
    assert one.difference < 1e-4
    (one,) = asked_of(smooth, to=tmp_path / "smooth").explained
    assert 0 < one.value < 1
    assert one.unit == "fraction of the votes"


@pytest.mark.slow
def test_photographs_are_asked_for_valence_and_for_why_they_are_hits(boda_data, tmp_path):
    """The query is no hit of itself."""
    data = little_data(boda_data, tmp_path / "data", "oasis_ratings", "ratings.csv", spaced(24))
    here = Here(data, tmp_path)
    (one,) = asked_of(questions.valence(here), to=tmp_path / "valence").explained
    assert 1 < one.value < 7
    hit = questions.hit(here)
    assert questions.QUERY not in hit.rows
    assert len(hit.rows) == 23
    (one,) = asked_of(hit, to=tmp_path / "hit").explained
    assert one.key == hit.rows[0]
    assert one.unit == "cosine"


@pytest.mark.slow
def test_houses_say_what_the_photographs_and_each_number_moved(boda_data, tmp_path):
    """They add up to the price, and the front of the house is what is explained."""
    data = little_data(boda_data, tmp_path / "data", "houses", "houses.csv", spaced(12), questions.houses.VIEWS)
    found = asked_of(questions.price(Here(data, tmp_path)), to=tmp_path / "price")
    (line,) = cells(moved_table({"explained": found.written.record}), f"`{found.explained[0].key}`")
    assert "frontal" in line[0]
    assert len(line) == 3 + 4 + 4
    assert float(line[1]) == pytest.approx(sum(map(float, line[2:])), abs=0.01)


def test_rows_of_attention_add_up_to_one(boda_data, tmp_path):
    """In every layer and head of a transformer that knows nothing, and the maps are those rows; the same seed again."""
    data = little_data(boda_data, tmp_path / "data", "imagenet_photos", "labels.csv", spaced(2))
    images = data / "imagenet_photos" / "images.tar"
    encoder = drawn_vit("test_vit", tmp_path, 0)
    assert drawn_vit("test_vit", tmp_path, 0).recipe == encoder.recipe
    sums = attended(encoder, images, tmp_path / "vit", count=2, seed=0)
    every, heads, mean, rollout, _ = sums
    for one in (every, mean):
        assert (one.least, one.most) == (pytest.approx(1, abs=1e-5), pytest.approx(1, abs=1e-5))
    assert heads.most == 0
    assert rollout.most <= 1 + 1e-5
    assert math.prod(every.shape[-2:]) == 100
    assert len(cells(sums_table(sums), "attention")) == 1


def test_figures_are_those_of_the_records():
    """Likeness without a map of random weights counts nothing; a gap is a share of what the scores moved."""

    def checks(verdict, alike, gap, moved):
        return {
            "verdict": verdict,
            "similarity_to_random_weights": alike,
            "completeness_gap": gap,
            "completeness_of": moved,
        }

    def image(one):
        return {"unit": "logit", "off_stored": None, "maps": [{"method": "deeplift", "checks": one}]}

    interval = {"value": 0.5, "low": 0.25, "high": 0.75}
    standing = {"method": "deeplift", "faithfulness": interval, "over_centre": interval, "over_chance": interval}
    best = "better than chance and than a blob in the middle"
    said = {
        "explained": {"images": [image(checks(best, 0.5, -0.1, 4.0)), image(checks("no", None, 0.3, -4.0))]},
        "ranking": {"standings": [standing], "centre": interval, "images": 9, "words": ["no method", "not shown to"]},
    }
    (line,) = cells(part_table(said), "deeplift")
    assert line == [
        "deeplift", "0.50 (0.25 to 0.75)", "+0.50 (+0.25 to +0.75)", "+0.50 (+0.25 to +0.75)", "1 of 2", "0.50", "5 %",
    ]  # fmt: skip
    assert "**No method.** Not shown to." in part_words(said)
    assert "standard deviations" not in part_words(said)
    assert moved_table(said) == ""


@pytest.mark.slow
def test_the_receipt_has_a_section_for_each_part(boda_data, tmp_path, monkeypatch):
    """A cluster of a few clothes by an autoencoder that was hardly trained, and attention."""
    monkeypatch.setattr(questions, "CLOTHES", 200)
    monkeypatch.setattr(questions, "GROUPS", 3)
    folder = boda_data / "fashion_mnist"
    train = first_rows(found(folder, "train"), 200, tmp_path / "rows")
    test = first_rows(found(folder, "t10k"), 100, tmp_path / "rows")
    trained = Runs(tmp_path / "runs", train, test).trained(
        "a", questions.WAYS["published"], preset=questions.PRESET, settings={"epochs": 1}, seed=0
    )
    receipt = explain_gallery.run(
        boda_data, tmp_path / "out", parts=["clothes", "vit"], autoencoder=trained.folder, amount=LITTLE, vit="test_vit"
    )
    assert "## Fashion-MNIST: a cluster of autoencoder features" in receipt
    assert "test_vit with weights drawn by seed 0" in receipt
    assert cells(receipt, "occlusion")[0][4].endswith("of 2")
    assert np.load(tmp_path / "out" / "clothes" / "gallery" / "maps" / "occlusion.npy").shape == (2, 28, 28)
    assert list(explain_gallery.pictures(tmp_path / "out", ["clothes", "vit"])) == ["explain_gallery_small.webp"]
