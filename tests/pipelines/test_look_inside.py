"""A look inside: what is planted in a network is what its pictures, tables and figures say."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.heads.asking import Asked
from boda.heads.assembling import Wanted
from boda.heads.head import Head, Trained
from boda.heads.inputs import CategoryInput, FeatureInput, Inputs, NumberInput
from boda.heads.linear import LinearModel
from boda.heads.preparation import Preparation
from boda.heads.target import Blank
from boda.pipelines.heads.keeping import keep_head
from boda.pipelines.look_inside import LIMIT, look_inside

pytest.importorskip("torch")

import torch

from boda.encoders.network import Network
from boda.encoders.torch_encoder import TorchEncoder
from boda.explanations.maximisation import Ascent
from boda.explanations.score import Score
from boda.pipelines.looking.look import Look
from boda.pixels.prepare import prepare
from decoding_here import decoded
from making import make_photos
from seeing_colours import SIDE, Colours, colour_encoder, features, logits, seen_by_hand


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process; maps take fewer steps than they deserve, and are drawn as one pixel."""
    for where in ("looking.given", "thumbnails"):
        monkeypatch.setattr(f"boda.pipelines.{where}.decoded", decoded)
    monkeypatch.setattr("boda.maps.tsne.EXAGGERATED", 60)
    monkeypatch.setattr("boda.maps.tsne.STEPS", 60)
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    monkeypatch.setattr("boda.pipelines.looking.layer_map.map_picture", lambda *_, **__: pixel.getvalue())


@pytest.fixture(scope="module")
def encoder():
    """Red, green, blue and light."""
    return colour_encoder()


@pytest.fixture(scope="module")
def there(encoder, tmp_path_factory):
    """A workspace of 13 noisy red, green and blue images."""
    folder = tmp_path_factory.mktemp("colours")
    photos = make_photos(folder / "photos")
    return boda.embed(photos, encoders=encoder, to=folder / "photos.boda", executor="in-process", workers=1)


@pytest.fixture
def look(there, encoder, tmp_path):
    """`look_inside` of that workspace, into a folder of its own."""

    def looked(kind, **options):
        return look_inside(there, kind, encoder=encoder, to=tmp_path / "out", **options)

    return looked


def pixels_of(there, encoder):
    """By key what the encoder sees, decoded by hand."""
    folder = there.path.parent / "photos"
    keys = list(there.features().keys)
    return dict(
        zip(keys, (prepare((folder / key).read_bytes(), encoder.recipe.pixels)[0] for key in keys), strict=True)
    )


def loaded(found, end):
    """The array or the record among the files that ends so."""
    (path,) = [one for one in found.files if one.name.endswith(end)]
    return np.load(path, allow_pickle=False) if end == ".npy" else json.loads(path.read_bytes())


def test_filters_need_no_images_and_are_the_weights(encoder, tmp_path):
    """Of an encoder alone: array, picture and record."""
    found = look_inside(encoder, "filters", to=tmp_path)
    np.testing.assert_array_equal(
        loaded(found, ".npy"), encoder._running._original.first.weight.detach().permute(0, 2, 3, 1).numpy()
    )
    names = [f"filters-test-colours-{encoder.recipe.id[:8]}{end}" for end in (".png", ".npy", ".json")]
    assert [one.name for one in found.files] == names
    with Image.open(found.files[0]) as sheet:
        assert sheet.format == "PNG"
    assert found.record["found"] | {"largest_weight": None} == {
        "layer": "first",
        "filters": 4,
        "height": 2,
        "width": 2,
        "silent": [],
        "largest_weight": None,
    }
    assert "layer first: 4 filters of 2 x 2 pixels" in found.words[0]
    assert loaded(found, ".json")["files"] == names


def test_channels_are_shown_by_the_images_that_excite_them(look, there, encoder):
    """The red channel by the red images, held against what all give, counted by hand; places and boxes are there."""
    found = look("channels", layer="second", channels=[0, 2], count=3)
    by_hand = {key: seen_by_hand(one[None])[0] for key, one in pixels_of(there, encoder).items()}
    for one, colour in zip(found.record["found"]["channels"], ("red", "blue"), strict=True):
        largest = np.array([maps[one["channel"]].max() for maps in by_hand.values()])
        best = [image["value"] for image in one["images"]]
        np.testing.assert_allclose(best, np.sort(largest)[::-1][:3], atol=1e-5)
        assert all(image["key"].startswith((colour, "사진")) for image in one["images"])
        assert one["usual"]["mean"] == pytest.approx(largest.mean(), abs=1e-5)
        assert one["usual"]["deviation"] == pytest.approx(largest.std(ddof=1), abs=1e-5)
        first = one["images"][0]
        y, x = first["place"]
        assert by_hand[first["key"]][one["channel"], y, x] == pytest.approx(first["value"], abs=1e-5)
        assert first["box"] == [2 * y, 2 * x, 2 * y + 2, 2 * x + 2]
    assert "usual" in found.words[1] and "channel 0" in found.words[1]


def test_a_unit_is_a_channel_at_one_place(look, there, encoder):
    """Row 3, column 5 alone."""
    found = look("channels", layer="second", channels=1, place=(3, 5), count=1)
    by_hand = {key: seen_by_hand(one[None])[0][1, 3, 5] for key, one in pixels_of(there, encoder).items()}
    best = found.record["found"]["channels"][0]["images"][0]
    assert best["key"] == max(by_hand, key=by_hand.__getitem__)
    assert best["place"] == [3, 5] and best["box"] == [6, 10, 8, 12]


def test_without_names_the_channels_that_stand_out_are_shown(look):
    """The most outstanding first, and the median channel is told with them, as they were picked for it."""
    found = look("channels", layer="second", count=2).record["found"]
    heights = [one["height"] for one in found["channels"]]
    assert heights == sorted(heights, reverse=True) and len(heights) == found["channels_there"] == 4
    assert found["median_height"] == pytest.approx(np.median(heights))


def test_activations_of_an_image_against_the_collection(look, there, encoder):
    """All maps as an array; of a red image the red channel stands out, by as much as counting says."""
    found = look("activations", layer="second", image="red 1.png", count=2)
    pixels = pixels_of(there, encoder)
    np.testing.assert_allclose(loaded(found, ".npy"), seen_by_hand(pixels["red 1.png"][None])[0], atol=1e-5)
    first = found.record["found"]["channels"][0]
    usual = np.array([seen_by_hand(one[None])[0, 0].mean() for one in pixels.values()])
    assert first["channel"] == 0
    assert first["usual"]["mean"] == pytest.approx(usual.mean(), abs=1e-5)
    away = (first["mean"] - usual.mean()) / usual.std(ddof=1)
    assert f"{away:.1f} sd above" in found.words[1]
    assert found.record["found"]["by_chance"] > 0


def test_an_image_file_alone_has_activations_too(encoder, there, tmp_path):
    """Of a folder of one image; nothing is usual then, and the largest channels come."""
    file = there.path.parent / "photos" / "green 2.png"
    found = look_inside(file, "activations", encoder=encoder, layer="second", to=tmp_path)
    assert found.record["found"]["channels"][0]["channel"] == 1
    assert found.record["found"]["by_chance"] is None
    assert "no collection says what is usual" in found.words[0]
    of_file = look_inside(encoder, "activations", image=file, layer="second", channels=[1], to=tmp_path / "other")
    np.testing.assert_array_equal(loaded(of_file, ".npy"), loaded(found, ".npy"))


def test_a_class_is_climbed_and_shown_beside_what_was_met(look):
    """By name and by number: the made image is red, and above what is usual."""
    found = look("maximise", class_index=["red", 1], ascent={"steps": 40, "rate": 0.5, "basis": "pixels"}, count=2)
    made = loaded(found, ".npy")
    assert made.shape == (2, SIDE, SIDE, 3) and made.dtype == np.uint8
    for number, (one, colour) in enumerate(zip(found.record["found"]["scores"], ("red", "green"), strict=True)):
        means = made[number].mean((0, 1))
        assert means.argmax() == number and means[number] > np.delete(means, number).max() + 60
        usual = one["collection"]["usual"]
        assert one["value"] > max(one["start"], usual["mean"] + usual["deviation"])
        assert one["probability"] > 0.5 and one["title"] == f"{colour}, logit"
        assert all(image["key"].startswith((colour, "사진")) for image in one["collection"]["images"])
    assert found.record["found"]["ascent"]["steps"] == 40


def test_other_scores_are_climbed_as_explain_writes_them(look, encoder, tmp_path):
    """A channel, likeness to an image, a probability, and a score of one's own; from an image where one is given."""
    quick = {"steps": 5}
    assert look("maximise", score="channel:second:2", ascent=quick).record["found"]["scores"][0]["unit"] == "activation"
    like = look("maximise", score="like:blue 1.png", ascent=quick, count=1)
    best = like.record["found"]["scores"][0]["collection"]["images"][0]
    assert best["key"].startswith("blue") and best["value"] == pytest.approx(1, abs=1e-5)
    climbed = look("maximise", class_index="blue", probability=True, start="red 0.png", ascent=Ascent(steps=5), count=0)
    one = climbed.record["found"]["scores"][0]
    assert one["unit"] == "probability" and one["value"] > one["start"] and one["collection"] is None
    own = Score("sum", "the sum", "light", lambda rows: rows.sum(1))
    assert look_inside(encoder, "maximise", score=own, ascent=quick, to=tmp_path).record["asked"]["score"] == "sum"


def test_the_score_of_a_head_is_climbed(there, look, encoder, tmp_path):
    """Of a head of this recipe; another's is refused."""
    table = tmp_path / "labels.csv"
    keys = [key for key in there.features().keys if not key.startswith("사진")]
    table.write_text("key,colour\n" + "".join(f"{key},{key.partition(' ')[0]}\n" for key in keys))
    boda.label(there, table)
    boda.train(there, target="colour", folds=2, page=False)
    found = look("maximise", score="head:colour:red", ascent={"steps": 30, "rate": 0.2}, count=2)
    assert loaded(found, ".npy")[0].mean((0, 1)).argmax() == 0
    other = encoder.take("first")
    both = shutil.copytree(there.path, tmp_path / "both.boda")
    boda.embed(there.path.parent / "photos", encoders=other, to=both, executor="in-process")
    with pytest.raises(Refused, match="is of other features"):
        look_inside(both, "maximise", score="head:colour:red", recipe=other.recipe, encoder=other)


@pytest.fixture(scope="module")
def fused(there, encoder, tmp_path_factory):
    """Linear heads that take a number beside the image, `aged`, and a name, `named`; how old each image is."""
    features = there.features(encoder.recipe)
    ages = {key: float(place**2) for place, key in enumerate(features.keys)}
    table = tmp_path_factory.mktemp("fused") / "ages.csv"
    lines = [f'"{key}",{age},{"ab"[int(age) % 2]}' for key, age in ages.items()]
    table.write_text("key,age,side\n" + "\n".join(lines))
    boda.label(there, table)
    image = FeatureInput("colours", encoder.recipe.id, features.array)
    numbers = NumberInput("age", np.array(list(ages.values())))
    names = CategoryInput("side", np.array(["ab"[int(age) % 2] for age in ages.values()], object))
    heads = {}
    for name, beside in (("aged", numbers), ("named", names)):
        preparation = Preparation.fit(Inputs((image, beside)), np.arange(len(ages)))
        weights = np.linspace(1, 2, preparation.width)[:, None]
        wanted = (Wanted("colours", encoder.recipe), Wanted(beside.name, category=name == "named"))
        heads[name] = Head(
            name, Asked("worth"), Blank("number", "worth"), wanted, preparation,
            LinearModel(weights, np.zeros(1), unit_length=False), Trained.unknown(1),
        )  # fmt: skip
        keep_head(heads[name], there)
    return heads, ages


@pytest.mark.parametrize("start", [None, "red 0.png", "a file"])
def test_a_number_beside_the_image_is_held_while_that_is_climbed(look, there, encoder, fused, start):
    """At its mean over the training rows, or where it is in the row of the image that is begun with, as is said."""
    heads, ages = fused
    features, wanted = there.features(encoder.recipe), heads["aged"].wanted[0]
    row = start if start in ages else None
    age = np.mean(list(ages.values())) if row is None else ages[row]
    block = FeatureInput(wanted.name, encoder.recipe.id, features.array, scaling=wanted.scaling)
    expected = heads["aged"].predict(Inputs((block, NumberInput("age", np.full(len(block), age))))).points
    known = dict(zip(features.keys, expected, strict=True))
    begun = there.path.parent / "photos" / "blue 1.png" if start == "a file" else start
    asked = {"recipe": encoder.recipe, "start": begun, "ascent": {"steps": 3}, "count": 5}
    (one,) = look("maximise", score="head:aged", **asked).record["found"]["scores"]
    beside = "at the mean of the training rows" if row is None else f"as in the row of {row}"
    assert one["title"] == f"worth, its other inputs {beside}"
    for image in one["collection"]["images"]:
        assert image["value"] == pytest.approx(known[image["key"]], abs=1e-3 * np.ptp(expected))
    assert one["collection"]["images"][0]["value"] == pytest.approx(expected.max(), abs=1e-3 * np.ptp(expected))


def test_what_a_head_keeps_no_mean_of_needs_a_row(look, encoder, fused):
    """Names have none; in the row of an image they are what they are."""
    asked = {"recipe": encoder.recipe, "score": "head:named", "ascent": {"steps": 2}, "count": 0}
    with pytest.raises(Refused, match=r"head .named. keeps no mean of side .*: start from an image of the workspace"):
        look("maximise", **asked)
    (one,) = look("maximise", start="green 2.png", **asked).record["found"]["scores"]
    assert one["title"].endswith("as in the row of green 2.png")


def test_neighbours_at_layers_beside_random_pairs(look):
    """The three other red ones and the copy, the image itself not; each layer by itself."""
    found = look("neighbours", image="red 0.png", layer=["first", "second"], count=4)
    for one in found.record["found"]["layers"]:
        keys = [near["key"] for near in one["neighbours"]]
        assert sorted(keys) == ["red 1.png", "red 2.png", "red 3.png", "사진, copy.png"]
        assert all(near["likeness"] == pytest.approx(1, abs=1e-4) for near in one["neighbours"])
        assert -1 <= one["random"]["low"] < one["random"]["high"] <= 1
    table = next(one for one in found.files if one.suffix == ".csv").read_text().splitlines()
    assert table[0] == '"layer","rank","key","likeness"' and len(table) == 9
    assert "two random images" in found.words[1]


def test_a_file_that_is_no_row_has_neighbours(look, there):
    """Nothing is left out then: the same picture is among its own nearest."""
    file = there.path.parent / "photos" / "blue 2.png"
    near = look("neighbours", image=file, layer="second", count=4).record["found"]["layers"][0]["neighbours"]
    assert {one["key"] for one in near} == {f"blue {number}.png" for number in range(4)}


def test_a_map_says_what_it_keeps(look, there):
    """Places of every image, the share of neighbours kept with its interval beside principal components."""
    keys = list(there.features().keys)
    found = look("map", layer="second")
    places, record = loaded(found, ".npy"), found.record["found"]
    assert places.shape == (len(keys), 2)
    kept = record["measured"]["kept"]
    assert kept["low"] <= kept["value"] <= kept["high"] and record["measured"]["baseline"]["kept"]["value"] <= 1
    assert "neighbours kept" in found.words[1] and "says nothing" in found.words[2]
    table = next(one for one in found.files if one.suffix == ".csv").read_text().splitlines()
    assert table[0].startswith('"key","x","y"') and len(table) == len(keys) + 1
    with Image.open(next(one for one in found.files if one.name.endswith("-images.png"))) as picture:
        assert picture.width == 1200


def test_the_same_question_writes_the_same_files(look):
    """To the byte, over its own; another seed other noise, in files of their own."""
    ask = {"class_index": 0, "ascent": {"steps": 3}, "count": 1}
    first = {one.name: one.read_bytes() for one in look("maximise", **ask).files}
    again = {one.name: one.read_bytes() for one in look("maximise", **ask).files}
    assert first == again
    other = look("maximise", seed=1, **ask)
    assert first["maximise-0-steps-3.npy"] != other.files[1].read_bytes()
    assert {one.name: one.read_bytes() for one in look("maximise", **ask).files} == first


def stem_of(found):
    """How the files of a look are called."""
    return found.files[-1].name.removesuffix(".json")


def test_another_network_writes_other_files(encoder, there, tmp_path, monkeypatch):
    """In one folder; only what is taken unasked, or is the only one of a workspace, goes without a name."""
    module = Colours()
    torch.nn.init.ones_(module.first.weight)
    recipe = replace(encoder.recipe, weights="1" * 64)
    other = TorchEncoder(Network(module, features, logits), recipe, torch.device("cpu"))
    found = [look_inside(one, "filters", to=tmp_path) for one in (encoder, other)]
    assert len({stem_of(one) for one in found}) == 2
    assert loaded(found[0], ".npy").tolist() != loaded(found[1], ".npy").tolist()
    monkeypatch.setattr("boda.pipelines.looking.given.load_encoder", lambda *_, **__: encoder)
    assert stem_of(look_inside("auto", "filters", to=tmp_path)) == "filters"
    assert stem_of(look_inside("auto", "filters", weights="F", to=tmp_path)) == stem_of(found[0])
    assert stem_of(look_inside("test:colours", "filters", to=tmp_path)) == stem_of(found[0])


def test_the_network_of_a_workspace_is_named_where_there_are_several(encoder, tmp_path):
    """Also where it is the one that is taken unasked: which that is may change."""
    photos = make_photos(tmp_path / "photos")
    several = {"to": tmp_path / "photos.boda", "executor": "in-process", "workers": 1}
    stems = []
    for one in (encoder, encoder.take("first")):
        there = boda.embed(photos, encoders=one, **several)
        stems.append(stem_of(look_inside(there, "channels", encoder=one, layer="first", channels=[0])))
    again = look_inside(there, "channels", encoder=encoder, recipe=encoder.recipe, layer="first", channels=[0])
    last = encoder.take("first").recipe.id[:8]
    assert stems[0] == "channels-first-0"
    assert stems[1].startswith("channels-test-colours") and f"-{last}-" in stems[1]
    assert stem_of(again).endswith(f"-{encoder.recipe.id[:8]}-first-0")


def test_other_images_write_other_files(encoder, there, tmp_path):
    """Two folders are two questions."""
    photos, more = there.path.parent / "photos", make_photos(tmp_path / "more")
    asked = {"encoder": encoder, "layer": "second", "channels": [0], "count": 1, "to": tmp_path / "out"}
    stems = [stem_of(look_inside(one, "channels", **asked)) for one in (photos, more, f"{more}/")]
    assert stems[0] != stems[1] == stems[2]


@pytest.mark.parametrize(
    ("options", "stem"),
    [
        ({"channels": [5]}, "maximise-channels-5"),
        ({"class_index": 5}, "maximise-5"),
        ({"channels": [5, 1, 2]}, "maximise-channels-5-1-2"),
        ({"channels": [5], "place": (1, 2)}, "maximise-channels-5-place-1-2"),
        ({"class_index": [5, "red"]}, "maximise-5-red"),
        ({"class_index": 5, "start": "red"}, "maximise-5-start-red"),
        ({"class_index": 5, "probability": True}, "maximise-5-probability"),
        ({"class_index": 5, "ascent": {"steps": 3, "basis": "pixels"}}, "maximise-5-basis-pixels-steps-3"),
        ({"class_index": 5, "ascent": Ascent(steps=3)}, "maximise-5-ascent-own-steps-3"),
        ({"class_index": 5, "seed": 7, "limit": 40}, "maximise-5-limit-40-seed-7"),
        ({"class_index": 5, "limit": LIMIT, "count": 2}, "maximise-5"),
    ],
)
def test_every_question_has_a_name_of_its_own(look, monkeypatch, options, stem):
    """What is asked is said; what is as by default, and how much is shown of an answer, is not."""
    files = dict.fromkeys((".png", ".npy"), b"")
    monkeypatch.setattr("boda.pipelines.look_inside._look", lambda _: lambda *_: Look(files, {}, ("",)))
    assert stem_of(look("maximise", **options)) == stem


def test_what_somebody_else_wrote_stays(look, tmp_path):
    """A file of the same name is in the way, before anything is computed."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "filters.png").write_bytes(b"mine")
    with pytest.raises(Refused, match="is not what boda look-inside wrote"):
        look("filters")
    assert (tmp_path / "out" / "filters.png").read_bytes() == b"mine"
    assert look("filters", force=True).files[0].read_bytes() != b"mine"


@pytest.mark.parametrize("kind", ["channels", "maximise", "map"])
def test_stopped_it_leaves_nothing(look, tmp_path, monkeypatch, kind):
    """Ctrl-C while images pass: no file and no folder; what was there before is untouched."""
    asked = {"score": "channel:second:1"} if kind == "maximise" else {"layer": "second"}

    def stopped(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(kind, progress=stopped, **asked)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        look(kind, progress=stopped, **asked)
    assert (tmp_path / "out").is_dir(), "a folder that somebody made stays"
    kept = look("filters").files
    with pytest.raises(KeyboardInterrupt):
        look(kind, progress=stopped, **asked)
    assert {one.name for one in (tmp_path / "out").iterdir()} == {
        *(one.name for one in kept),
        "made-by-boda-look-inside.json",
    }


def test_of_many_images_some_are_drawn_and_bad_ones_are_told(encoder, there, tmp_path):
    """A folder with a broken file; the words say how many of how many."""
    photos = there.path.parent / "photos"
    found = look_inside(photos, "channels", encoder=encoder, layer="second", channels=[0], to=tmp_path)
    assert found.record["images"] == {"of": 14, "drawn": 14, "unreadable": 1}
    assert "broken.jpg" in found.words[-1] and "13 images" in found.words[0]
    some = look_inside(
        photos, "channels", encoder=encoder, layer="second", channels=[0], limit=6, seed=3, to=tmp_path / "some"
    )
    assert some.record["images"]["drawn"] == 6 and "of 14 images, drawn at random" in some.words[0]
    assert LIMIT == 2000


def test_a_vision_transformer_can_be_looked_into(tmp_path, there):
    """Patch embeddings are filters; tokens have channels, places and neighbours; the class token is no place."""
    from safetensors.torch import save_file

    from boda.encoders.timm_models import import_timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = import_timm("a test").create_model("test_vit")
    weights = tmp_path / "vit.safetensors"
    save_file(module.state_dict(), weights)
    vit = boda.load_encoder("timm:test_vit", weights=weights)
    assert look_inside(vit, "filters", to=tmp_path / "a").record["found"]["layer"] == "patch_embed.proj"
    photos = there.path.parent / "photos"
    found = look_inside(photos, "activations", encoder=vit, image="red 0.png", layer="blocks.1", to=tmp_path / "b")
    channels, rows, columns = found.record["found"]["shape"]
    assert channels == module.embed_dim and rows == columns > 1
    near = look_inside(photos, "neighbours", encoder=vit, image="red 0.png", layer="blocks.0", to=tmp_path / "c")
    assert near.record["found"]["layers"][0]["neighbours"][0]["key"] == "사진, copy.png"


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("channels", {"layer": "secnd"}, "Near: second"),
        ("filters", {"layer": "frst"}, "Near: first"),
        ("filters", {"layer": "second"}, "which are no colours"),
        ("channels", {"layer": "second", "channels": [4]}, "channels 0 to 3, not 4"),
        ("activations", {"layer": "second", "channels": [-1], "image": "red 0.png"}, "channels 0 to 3, not -1"),
        ("channels", {"layer": "second", "channels": [0], "place": (8, 0)}, "8 x 8 places"),
        ("activations", {"layer": "second"}, "say which image"),
        ("neighbours", {"layer": "second", "image": "red 9.png"}, r"Near: .*red"),
        ("maximise", {}, "say what to climb"),
        ("maximise", {"class_index": 4}, "classes 0 to 3, not 4"),
        ("maximise", {"class_index": "ue"}, "2 classes have"),
        ("maximise", {"class_index": "mauve"}, "no class 'mauve'"),
        ("maximise", {"class_index": 0, "layer": "second"}, "are those of channels"),
        ("maximise", {"channels": [0], "probability": True}, "that of a class"),
        ("maximise", {"class_index": 0, "ascent": {"stepps": 3}}, "no stepps"),
        ("maximise", {"class_index": 0, "ascent": {"jitter": 7}}, "jitter"),
        ("maximise", {"score": "head:none:x"}, "no head"),
        ("filters", {"image": "red 0.png"}, "filters takes no image; it takes layer"),
        ("map", {"layer": ["first", "second"]}, "only neighbours takes several"),
        ("map", {"layer": "second", "colour": "wings"}, "no column 'wings'"),
        ("channels", {"count": 0}, "at least 1"),
        ("pictures", {}, "no look 'pictures'"),
        ("filters", {"seed": -1}, "seed"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(look, tmp_path, kind, options, words):
    """What, where, what to do; and no folder is left behind."""
    with pytest.raises((Refused, NotFound), match=words) as refused:
        look(kind, **options)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_other_encoders_and_places_are_refused_with_a_reason(encoder, there, workspace, tmp_path):
    """Features of no network; a map without images; twice an encoder; nothing there."""
    with pytest.raises(Refused, match="no layers in it"):
        look_inside(workspace, "channels", to=tmp_path / "out")
    for options, words in (
        ({"kind": "map"}, "needs images"),
        ({"kind": "filters", "encoder": "auto"}, "given twice"),
        ({"kind": "filters", "recipe": "x"}, "one of a workspace"),
        ({"kind": "neighbours", "image": "nothing.png"}, "needs images|no such file"),
    ):
        with pytest.raises((Refused, NotFound), match=words):
            look_inside(encoder, to=tmp_path / "out", **options)
    with pytest.raises(NotFound, match=r"Near: auto"):
        look_inside("autoo", "filters")
