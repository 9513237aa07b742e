"""`boda.explain`: maps of real networks and heads, checked, placed and written."""

import json

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.pipelines.demonstration.images import write_images
from boda.pixels.prepare import prepare

FOUR = ("chelsea.png", "coffee.png", "moon.png", "motorcycle_left.png")


@pytest.fixture(scope="module")
def encoder():
    """The default encoder, loaded once."""
    pytest.importorskip("torch")
    return boda.load_encoder("auto")


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    """A ResNet of 20 layers for 32 pixels with random weights: checks take hundreds of passes."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    from boda.models.plan import NetworkPlan, build

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = build(NetworkPlan("resnet20", (32, 32), 3, 10, {})).state_dict()
    place = tmp_path_factory.mktemp("little") / "weights.safetensors"
    save_file({name: one.contiguous() for name, one in weights.items()}, place)
    return boda.load_encoder("resnet:resnet20", weights=place)


@pytest.fixture(scope="module")
def photos(encoder, tmp_path_factory):
    """Photographs that the demonstration writes, with features of `auto`, labels, and a head on these."""
    folder = tmp_path_factory.mktemp("explain")
    images = write_images(folder, digits=0).folder / "photographs"
    there = boda.embed(images, encoders=[encoder], to=folder / "photos.boda", executor="in-process", workers=1)
    keys = there.keys()
    rows = "\n".join(f'"{key}",{number % 2},{number % 3}.5' for number, key in enumerate(keys))
    (folder / "labels.csv").write_text(f"key,side,size\n{rows}\n")
    boda.label(there, folder / "labels.csv")
    return there


@pytest.fixture(scope="module")
def head(photos):
    """Of one number, from the image alone; that it can learn nothing here does not matter."""
    return boda.train(photos, "size", page=False, name="size", to=photos.path.parent / "size-head")


@pytest.fixture(scope="module")
def fusion(photos):
    """Of one number, from the image and a number beside it."""
    return boda.train(
        photos, "size", inputs=["auto", "side"], page=False, name="both", to=photos.path.parent / "both-head"
    )


@pytest.fixture(scope="module")
def found(photos, little, tmp_path_factory):
    """Two photographs, explained for one class by two methods, with their checks."""
    folder = tmp_path_factory.mktemp("found") / "out"
    files = [photos.path.parent / "images" / "photographs" / name for name in FOUR[:2]]
    return boda.explain(files, answer="3", encoder=little, method=["grad-cam", "gradient"], to=folder)


def test_a_map_is_of_the_likeliest_class_unless_another_is_named(photos, encoder, tmp_path):
    """The score is the logit that the classifier has for it; the features are those that are stored."""
    (one,) = boda.explain(photos, row=FOUR[0], encoder=encoder, check=False, to=tmp_path / "out").explained
    assert 0 <= one.difference < 1e-4
    said = boda.predict(photos.path.parent / "images" / "photographs" / FOUR[0], encoder=encoder, topk=1)
    (best,) = said.predictions[0].topk
    assert (one.key, one.title) == (FOUR[0], f"{best.name}, logit")
    other = boda.explain(photos, row=FOUR[0], answer="1", encoder=encoder, check=False, to=tmp_path / "other")
    assert other.explained[0].value < one.value


def test_everything_is_written_and_can_be_read_back(found):
    """Page, sheet, record, arrays as the network saw the images, overlays at the images' own size."""
    folder = found.written.folder
    record = json.loads((folder / "record.json").read_text())
    assert record == json.loads(json.dumps(found.written.record))
    maps = np.load(folder / "maps" / "grad-cam.npy")
    assert maps.shape == (2, 32, 32)
    assert maps[1].max() == pytest.approx(found.explained[2].maps.max(), rel=0.2)
    assert len(list((folder / "overlays").iterdir())) == 4
    assert "<script src" not in (folder / "explained.html").read_text()


def test_the_overlay_has_the_size_of_the_image(found, photos):
    """Not of what the network saw."""
    images = photos.path.parent / "images" / "photographs"
    for place, key in enumerate(FOUR[:2], 1):
        (first, *_) = sorted((found.written.folder / "overlays").glob(f"{place:04d} *"))
        with Image.open(first) as drawn, Image.open(images / key) as original:
            assert drawn.size == original.size


def test_checks_stand_beside_each_map(found):
    """Verdicts in words, and their figures in the record."""
    assert all(one.said for one in found.explained)
    checks = found.written.record["images"][0]["maps"][0]["checks"]
    assert checks["verdict"] == found.explained[0].said
    assert len(checks["chance_deletion"]) == 4


def test_a_head_is_explained_through_the_stored_pixels(photos, encoder, head, tmp_path):
    """The score is what the head predicts, and lies within 1e-4 deviations of that of the stored features."""
    found = boda.explain(photos, head=head, row=FOUR, encoder=encoder, check=False, to=tmp_path / "out")
    said = head.predict(boda_inputs(photos, head))
    known = dict(zip(photos.features().keys, np.asarray(said.values), strict=True))
    for one in found.explained:
        assert one.value == pytest.approx(known[one.key], abs=1e-4)
        assert one.difference < 1e-4


def boda_inputs(there, head):
    """All rows of a workspace as a head takes them."""
    from boda.heads.assembling import assemble

    return assemble(there, there.frame(), head.wanted, head.unit).inputs


def test_other_inputs_are_held_where_they_are(photos, encoder, fusion, tmp_path):
    """Of image and number: the score is the head's, and both together moved it from its average."""
    found = boda.explain(photos, head=fusion, row=FOUR[:2], encoder=encoder, check=False, to=tmp_path / "out")
    known = dict(
        zip(photos.features().keys, np.asarray(fusion.predict(boda_inputs(photos, fusion)).values), strict=True)
    )
    for one in found.explained:
        assert one.value == pytest.approx(known[one.key], abs=1e-4)
        moved = found.moved[one.key]
        assert moved.names == ("image", "side")
        assert moved.base + moved.values.sum() == pytest.approx(known[one.key], abs=1e-4)
    assert found.written.record["images"][0]["moved"]["inputs"].keys() == {"image", "side"}


def test_an_image_that_changed_is_refused(encoder, tmp_path):
    """Its score is not that of the stored features."""
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcdef":
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(images / f"{name}.png")
    there = boda.embed(images, encoders=[encoder], to=tmp_path / "w.boda", executor="in-process", workers=1)
    Image.new("RGB", (64, 64), (200, 30, 30)).save(images / "b.png")
    boda.explain(there, score="like:a.png", row="c.png", encoder=encoder, check=False, to=tmp_path / "out")
    with pytest.raises(Refused, match=r"b\.png: likeness to a\.png, computed again, .* embed again"):
        boda.explain(there, score="like:a.png", row="b.png", encoder=encoder, check=False, to=tmp_path / "out")
    with pytest.raises(Refused, match=r"b\.png: its features, computed again, .* embed again"):
        boda.explain(there, row="b.png", encoder=encoder, check=False, to=tmp_path / "out")


def test_a_likeness_is_the_one_that_search_reports(photos, encoder, tmp_path):
    """To a row, and to an image file."""
    hits = boda.search(photos, row=FOUR[3], k=1, encoder=encoder, to=tmp_path / "s.png").hits
    found = boda.explain(
        photos, score=f"like:{FOUR[3]}", row=hits.keys[0], encoder=encoder, check=False, to=tmp_path / "out"
    )
    assert found.explained[0].value == pytest.approx(hits.likeness[0], abs=1e-5)
    file = photos.path.parent / "images" / "photographs" / FOUR[3]
    again = boda.explain(
        photos, score=f"like:{file}", row=hits.keys[0], encoder=encoder, check=False, to=tmp_path / "out"
    )
    assert again.explained[0].value == pytest.approx(hits.likeness[0], abs=1e-4)


def test_a_cluster_is_explained_where_it_is(photos, encoder, tmp_path):
    """Each image by its own cluster: its nearness is above 0."""
    boda.cluster(photos, k=[2], to=tmp_path / "clusters")
    name = photos.results("clustering")[0].name
    found = boda.explain(photos, score=f"cluster:{name}", row=FOUR, encoder=encoder, check=False, to=tmp_path / "out")
    assert all(one.value > 0 for one in found.explained)


def test_what_is_not_a_network_is_explained_by_occlusion(tmp_path):
    """Histograms have no gradients: other methods say so."""
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(rng.integers(0, 256, (128, 128, 3), np.uint8)).save(images / f"{name}.png")
    there = boda.embed(
        images, encoders=["handmade:hog-colour"], to=tmp_path / "w.boda", executor="in-process", workers=1
    )
    for method in ("grad-cam", "attention"):
        with pytest.raises(Refused, match="no network of torch and has no layers: explain it by occlusion"):
            boda.explain(there, score="like:a.png", row="b.png", method=method, to=tmp_path / "out")
    found = boda.explain(there, score="like:a.png", row="b.png", method="occlusion", check=False, to=tmp_path / "out")
    assert np.abs(found.explained[0].maps).max() > 0
    assert found.explained[0].difference < 1e-4


def test_of_several_methods_those_that_cannot_are_left_out(photos, encoder, tmp_path):
    """With the reason; where all cannot, all reasons are told."""
    asked = {"row": FOUR[0], "encoder": encoder, "check": False, "to": tmp_path / "out"}
    found = boda.explain(photos, method=["rollout", "grad-cam"], **asked)
    assert [one.method for one in found.explained] == ["grad-cam"]
    assert any(note.startswith("no rollout: encoder 'auto': nothing in it attends") for note in found.notes)
    with pytest.raises(Refused, match=r"nothing in it attends.*; .*nothing in it attends"):
        boda.explain(photos, method=["rollout", "attention"], **asked)


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"method": "magic"}, Refused, "no method 'magic'"),
        ({"method": "rollout"}, Refused, "attend"),
        ({"method": "occlusion", "layer": "blocks.3"}, Refused, "works at no single layer"),
        ({"score": "head:none"}, NotFound, "no head of this name"),
        ({"score": "cluster:none"}, NotFound, "no clustering of this name"),
        ({"score": "text:a cat"}, Refused, "text side"),
        ({"answer": "5000"}, Refused, "classes 0 to 999"),
        ({"answer": "zebrafinch"}, NotFound, "no class"),
        ({"row": "none.png"}, NotFound, r"none\.png"),
        ({"row": (), "where": "side == 7"}, NotFound, "no image with features meets"),
        ({"limit": 0}, Refused, "limit=0"),
        ({"seed": -1}, Refused, "seed=-1: a whole number from 0"),
    ],
)
def test_what_makes_no_sense_is_refused(photos, encoder, tmp_path, asked, error, words):
    """In one line, before anything is written."""
    with pytest.raises(error, match=words):
        boda.explain(photos, **({"row": FOUR[0], "encoder": encoder, "to": tmp_path / "out"} | asked))


def test_files_alone_are_explained_too(photos, encoder, tmp_path, monkeypatch):
    """By the network's own classifier; there are no stored features to differ from."""
    monkeypatch.chdir(tmp_path)
    file = photos.path.parent / "images" / "photographs" / FOUR[0]
    found = boda.explain(file, encoder=encoder, method=["grad-cam", "gradient"], check=False)
    assert found.explained[0].difference is None
    page = found.page.read_text()
    assert page.count("averages over 7 x 7 places; colours end at the 99 % quantile") == 1, "of the fine map alone"
    assert found.explained[1].maps.shape == (224, 224), "what is drawn is coarser than what is written"
    assert found.page.parent.parent.name == "boda-explain"


def test_files_can_be_explained_by_their_likeness_to_a_file(photos, little, tmp_path):
    """The cosine of what the network gives of both; there is no workspace to ask."""
    one, other = (photos.path.parent / "images" / "photographs" / name for name in FOUR[:2])
    (found,) = boda.explain(one, score=f"like:{other}", encoder=little, check=False, to=tmp_path / "out").explained
    pixels = np.stack([prepare(file.read_bytes(), little.recipe.pixels)[0] for file in (one, other)])
    first, second = little(pixels).astype(np.float64)
    assert found.value == pytest.approx(first @ second / np.sqrt(first @ first * (second @ second)), abs=1e-3)
    assert found.title == f"likeness to {other}"


def test_methods_are_ranked_on_a_sample(photos, little, tmp_path):
    """Those that cannot explain a CNN are listed with the reason; of three images nothing can be said."""
    files = [photos.path.parent / "images" / "photographs" / name for name in FOUR[:3]]
    ranked = boda.compare_explanations(
        files, answer="3", encoder=little, methods=["grad-cam", "gradient", "rollout"], to=tmp_path / "out"
    )
    standings = ranked.compared.ranking.standings
    assert {one.method for one in standings} == {"grad-cam", "gradient"}
    assert "rollout" in ranked.compared.ranking.refused
    assert ranked.compared.ranking.beating == ()
    lines = ranked.table.read_text().splitlines()
    assert lines[0] == "key,centre blob,grad-cam,gradient"
    assert len(lines) == 4
    assert json.loads((ranked.table.parent / "ranking.json").read_text())["keys"] == [str(one) for one in files]
