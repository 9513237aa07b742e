"""Why two images are alike: shares that add up to the stored likeness, and reasons where there are none."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.pipelines.demonstration.images import write_images
from boda.pipelines.why_similar import why_similar

STEREO = ("motorcycle_left.png", "motorcycle_right.png")


@pytest.fixture(scope="module")
def encoder():
    """The default encoder, loaded once."""
    pytest.importorskip("torch")
    return boda.load_encoder("auto")


@pytest.fixture(scope="module")
def photographs(encoder, tmp_path_factory):
    """Five of the photographs that the demonstration writes, with features of `auto`, and of a layer pooled twice."""
    folder = tmp_path_factory.mktemp("why")
    images = write_images(folder, digits=0).folder / "photographs"
    for path in images.iterdir():
        if path.name not in (*STEREO, "chelsea.png", "coffee.png", "moon.png"):
            path.unlink()
    encoders = [encoder.take("blocks.3", "mean"), encoder.take("blocks.3", "gem"), encoder]
    return boda.embed(images, encoders=encoders, to=folder / "photos.boda", executor="in-process", workers=1)


@pytest.fixture(scope="module")
def why(photographs, encoder):
    """Why the two halves of a stereo picture are alike."""
    return why_similar(photographs, *STEREO, top=4, recipe=encoder.recipe, encoder=encoder)


def test_the_shares_of_all_places_add_up_to_the_stored_likeness(photographs, encoder, why):
    """Of a real encoder and photographs: to 1e-3 of the cosine that search reports, with the mean and without it."""
    hits = boda.search(photographs, row=STEREO[0], k=1, recipe=encoder.recipe).hits
    assert hits.keys == STEREO[1:]
    assert why.likeness.plain.likeness == pytest.approx(hits.likeness[0], abs=1e-6)
    assert why.gap < 1e-3
    assert why.places.first.sum() == pytest.approx(hits.likeness[0], abs=1e-3)
    assert why.places.second.sum() == pytest.approx(hits.likeness[0], abs=1e-3)
    assert why.places_centred.likeness == pytest.approx(why.likeness.centred.likeness, abs=1e-3)
    assert why.places.first.shape == (7, 7)
    assert why.likeness.ranks == (1, 1)
    assert why.likeness.centred.top > why.likeness.centred.others[1]


def test_the_strongest_pairs_of_a_stereo_picture_are_the_same_thing(why):
    """Seen from 20 cm further right, a place has moved by at most two squares, and hardly up or down."""
    for pair in why.places_centred.pairs:
        assert abs(pair.first[0] - pair.second[0]) <= 1
        assert abs(pair.first[1] - pair.second[1]) <= 2


def test_it_is_drawn_and_told(photographs, encoder, why):
    """A PNG beside the workspace that the same command may draw again, and plain JSON."""
    again = why_similar(photographs, *STEREO, top=4, recipe=encoder.recipe, encoder=encoder)
    assert again.picture == why.picture
    assert why.picture.parent == photographs.path.parent / "photos-search"
    with Image.open(why.picture) as picture:
        assert picture.format == "PNG"
        colours = np.asarray(picture, np.int64)
        assert (colours[..., 0] - colours[..., 2] > 60).mean() > 0.005  # orange
    record = json.loads(json.dumps(why.as_json(), allow_nan=False))
    assert len(record["dimensions"]) == 4
    assert record["completeness_gap"] < 1e-3
    assert np.sum(record["places"]["first"]) == pytest.approx(record["likeness"], abs=1e-3)
    assert record["dimensions"][0]["most"][0] in [
        path.name for path in (photographs.path.parent / "images/photographs").iterdir()
    ]


def test_other_layers_pooled_by_mean_have_places(photographs, encoder):
    """A layer in the middle has a finer map; its generalised mean has none."""
    mean, gem = (
        why_similar(photographs, *STEREO, recipe=encoder.take("blocks.3", pooling).recipe, encoder=encoder)
        for pooling in ("mean", "gem")
    )
    assert mean.gap < 1e-3
    assert mean.places.first.shape == (14, 14)
    assert (gem.places, gem.picture, gem.gap) == (None, None, None)
    assert "are not the mean of layer blocks.3 over places" in gem.why_no_places


def test_features_without_places_still_have_dimensions(workspace):
    """Of no network: the reason is told, and nothing is drawn."""
    why = why_similar(workspace, "red 0.png", "red 1.png")
    assert (why.places, why.picture) == (None, None)
    assert why.why_no_places == "handmade:hog-colour does not tell what it finds at which place"
    assert len(why.likeness.dimensions) == 10
    assert json.loads(json.dumps(why.as_json()))["places"] is None


def test_images_that_are_gone_or_others_by_now_have_no_places(encoder, tmp_path):
    """What was embedded is not there to be looked at."""
    images = tmp_path / "photos"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in "abc":
        coarse = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8))
        coarse.resize((64, 64)).save(images / f"{name}.png")
    there = boda.embed(images, encoders=encoder, to=tmp_path / "w.boda", executor="in-process", workers=1)

    def reason():
        return why_similar(there, "a.png", "b.png", encoder=encoder).why_no_places

    (images / "a.png").write_bytes((images / "c.png").read_bytes())
    assert "a.png is not the image that was embedded" in reason()
    (images / "a.png").unlink()
    assert "a.png can no longer be read" in reason()


def test_bad_questions_are_refused(workspace, tmp_path):
    """An image and itself, one that is not there, one without features, a file that is no PNG."""
    with pytest.raises(Refused, match="name two"):
        why_similar(workspace, "red 0.png", "red 0.png")
    with pytest.raises(NotFound, match=r"red 1\.png"):
        why_similar(workspace, "red 0.png", "red 1.pgn")
    with pytest.raises(Refused, match="quarantined"):
        why_similar(workspace, "red 0.png", "broken.jpg")
    with pytest.raises(Refused, match=r"ends in \.png"):
        why_similar(workspace, "red 0.png", "red 1.png", to=tmp_path / "a.jpg")


def test_code_that_a_workspace_names_is_not_run(workspace):
    """A stranger's `module:function` is not imported to explain anything; the dimensions are told all the same."""
    recipe = replace(workspace.recipe(), weights="0" * 64, name="os:abort")
    array = workspace.features().array
    with workspace.write() as writer:
        writer.add_recipe(recipe, 4)
        from boda.workspace.records import Block

        contents = [workspace.content_of(key) for key in ("red 0.png", "red 1.png")]
        writer.commit(Block(features={recipe.id: (contents, array[:2, :4].copy() + np.float32([[1], [2]]))}))
    assert "if you trust it" in why_similar(workspace, "red 0.png", "red 1.png", recipe=recipe).why_no_places
