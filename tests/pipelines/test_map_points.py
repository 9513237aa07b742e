"""A map is kept with its errors and its settings, drawn, and takes new images without moving old ones."""

import io
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import boda
from boda.errors import Damaged, NewerFormat, NotFound, Refused
from boda.pictures.map_picture import MARK
from boda.pipelines.maps.keeping import KeptMap, load_map
from boda.pipelines.run.meter import Progress
from boda.workspace.workspace import open_workspace
from making import make_photos, make_workspace
from synthetic import synthetic_workspace


def grouped(rng: np.random.Generator, each: int = 16) -> np.ndarray:
    """Three groups far from each other, (3 each, 6)."""
    return np.concatenate([rng.normal(0, 0.3, (each, 6)) + 4 * np.eye(6)[place] for place in range(3)])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fewer steps than a map deserves; and a picture of one pixel, as pictures have tests of their own."""
    monkeypatch.setattr("boda.maps.tsne.EXAGGERATED", 80)
    monkeypatch.setattr("boda.maps.tsne.STEPS", 120)
    words = PngInfo()
    words.add_text("Software", MARK)
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG", pnginfo=words)
    monkeypatch.setattr("boda.pipelines.maps.showing.map_picture", lambda *_, **__: pixel.getvalue())


@pytest.fixture
def groups(tmp_path):
    """48 images in name only, in three groups, and a column that says which."""
    columns = {"group": np.repeat(["a", "b", "c"], 16).tolist(), "size": np.arange(48.0).tolist()}
    return synthetic_workspace(tmp_path / "groups.boda", {"plain": grouped(np.random.default_rng(0))}, columns)


def test_a_map_comes_with_its_errors(groups):
    """Each with an interval, beside principal components and what unrelated maps would show; per point as well."""
    found = boda.map_points(groups, colour="group")
    assert found.places.shape == (48, 2)
    assert (found.settings.perplexity, found.settings.seed) == (47 / 3, 0)
    measured = found.record["measured"]
    for name in ("trustworthiness", "continuity", "kept"):
        assert measured[name]["low"] <= measured[name]["value"] <= measured[name]["high"]
        assert measured["baseline"][name]["value"] <= 1
        assert found.points[name].mean() == pytest.approx(measured[name]["value"], abs=1e-6)
    said = measured["disagreement"]
    assert (said["starts"], said["rows"]) == (3, 48)
    assert 0 <= said["value"] < said["by_chance"]
    assert found.points["disagreement"].mean() == pytest.approx(said["value"], abs=1e-6)
    centres = found.places.reshape(3, 16, 2).mean(axis=1)
    assert np.linalg.norm(found.places - np.repeat(centres, 16, axis=0), axis=1).max() < np.linalg.norm(
        centres[0] - centres[1]
    )
    assert "says nothing" in found.record["limits"][0]
    json.dumps(found.as_json(), allow_nan=False)


def test_it_is_kept_and_the_same_again(groups):
    """Without pickle, under its name, with its recipe and settings; the same seed gives the same bytes."""
    first = boda.map_points(groups, starts=0)
    files = groups.result("map", "tsne")
    kept, _ = load_map("tsne", groups)
    assert (kept.recipe, kept.settings) == (first.recipe.id, first.settings)
    np.testing.assert_array_equal(kept.places, first.places)
    assert kept.keys == tuple(groups.features().keys)
    assert not any(b"pickle" in data or data[:1] == b"\x80" for data in files.values())
    boda.map_points(groups, starts=0)
    assert groups.result("map", "tsne") == files
    (info,) = [one for one in boda.info(groups).results if one.kind == "map"]
    assert (info.name, info.summary["points"]) == ("tsne", 48)


def test_other_seeds_make_other_starts_and_the_same_map(tmp_path):
    """The map begins with principal components; what random starts disagree on changes with the seed."""
    cloud = np.random.default_rng(0).normal(size=(50, 6))
    one_cloud = synthetic_workspace(tmp_path / "cloud.boda", {"plain": cloud}, {"group": ["a"] * 50})
    first, second = (boda.map_points(one_cloud, seed=seed, starts=2) for seed in (0, 1))
    np.testing.assert_array_equal(first.places, second.places)
    assert not np.array_equal(first.points["disagreement"], second.points["disagreement"])


@pytest.mark.parametrize(("method", "dims", "name"), [("pca", 2, "pca"), ("pca", 3, "pca-3d"), ("tsne", 3, "tsne-3d")])
def test_other_maps(groups, method, dims, name):
    """Principal components have no start and no baseline."""
    found = boda.map_points(groups, method=method, dims=dims, starts=2, colour="size")
    assert (found.name, found.places.shape) == (name, (48, dims))
    assert (found.record["measured"]["disagreement"] is None) == (method == "pca")


@pytest.mark.parametrize("asked", [{"starts": 1.5}, {"method": "umap", "neighbours": 2.5}])
def test_halves_of_a_start_or_a_neighbour_are_refused(groups, asked):
    """In one line, not by numpy or numba; and no folder is left."""
    with pytest.raises(Refused, match="whole number"):
        boda.map_points(groups, **asked)
    assert not (groups.path.parent / "groups-map").exists()


def test_a_folder_that_is_not_there_is_made(groups, tmp_path):
    """As by the other verbs; a name that ends otherwise than a page is still refused."""
    found = boda.map_points(groups, method="pca", starts=0, to=tmp_path / "new")
    assert found.page == tmp_path / "new" / "pca.html" and found.page.exists() and found.picture.exists()
    with pytest.raises(Refused, match=r"ends in \.html"):
        boda.map_points(groups, method="pca", starts=0, to=tmp_path / "map.txt")


def test_images_embedded_since_are_placed_and_nothing_moves(tmp_path):
    """Old points stay to the bit; the new lie among their like, and are measured. A second time there is nothing new."""
    rng = np.random.default_rng(0)
    x = grouped(rng)
    columns = {"group": ["a"] * 48}
    few = synthetic_workspace(tmp_path / "w.boda", {"plain": x}, columns, without_features=6)
    first = boda.map_points(few, starts=2)
    more = synthetic_workspace(tmp_path / "w.boda", {"plain": x}, columns)
    found = boda.map_points(more, onto="tsne")
    assert (found.name, len(found.keys)) == ("tsne", 48)
    np.testing.assert_array_equal(found.places[:42], first.places)
    np.testing.assert_array_equal(found.points["disagreement"][:42], first.points["disagreement"])
    near = np.linalg.norm(found.places[42:, None] - found.places[:42], axis=2).argmin(axis=1)
    assert (near >= 32).all()
    assert found.record["onto"] == {"map": "tsne", "workspace": "w.boda", "points": 42, "gone": 0, "placed": 6}
    assert found.record["measured"]["rows"] == 6
    assert np.isnan(found.points["trustworthiness"]).sum() == 0
    with pytest.raises(Refused, match="nothing to place"):
        boda.map_points(more, onto="tsne")


def test_images_of_another_workspace_are_placed(groups, tmp_path):
    """Theirs are kept with them; the map itself stays, and images of an unknown recipe are refused."""
    boda.map_points(groups, starts=0)
    before = groups.result("map", "tsne")
    new = grouped(np.random.default_rng(5), each=4)
    other = synthetic_workspace(tmp_path / "other.boda", {"plain": new}, {"group": ["x"] * 12})
    found = boda.map_points(other, onto=groups.path / "tsne", name="there")
    assert groups.result("map", "tsne") == before
    assert found.record["onto"]["workspace"] == "groups.boda"
    places = load_map("tsne", groups)[0].places
    near = np.linalg.norm(found.places[:, None] - places, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(near // 16, np.repeat([0, 1, 2], 4))
    assert len(found.points["kept"]) == 12
    with pytest.raises(Refused, match="place these onto that one"):
        boda.map_points(groups, onto=other.path / "there")
    strange = synthetic_workspace(tmp_path / "strange.boda", {"else": new}, {"group": ["x"] * 12})
    with pytest.raises(Refused, match="no features of recipe"):
        boda.map_points(strange, onto=groups.path / "tsne")


def test_an_image_that_changed_is_new(tmp_path):
    """Under its old name it has other bytes: it is placed again, and no part of what others are placed by."""
    x = grouped(np.random.default_rng(0))
    boda.map_points(synthetic_workspace(tmp_path / "w.boda", {"plain": x}, {"group": ["a"] * 48}), starts=0)
    first, _ = load_map("tsne", open_workspace(tmp_path / "w.boda"))
    changed = replace(first, contents=("0" * 64, *first.contents[1:]))
    there = open_workspace(tmp_path / "w.boda")
    with there.write() as writer:
        writer.put_result("map", "tsne", changed.files(), summary={})
    found = boda.map_points(there, onto="tsne")
    assert (found.record["onto"]["gone"], found.record["onto"]["placed"], found.record["onto"]["points"]) == (1, 1, 47)
    np.testing.assert_array_equal(found.places[1:], first.places[1:])


def test_real_images_get_thumbnails_and_a_name_like_a_script_stays_text(tmp_path):
    """On the page; a broken file has no point."""
    photos = make_photos(tmp_path / "photos")
    (photos / "red 1.png").rename(photos / "<script>alert(1)<|script>.png")
    workspace = make_workspace(tmp_path / "photos.boda", photos)
    found = boda.map_points(workspace, starts=0)
    html = found.page.read_text("utf-8")
    assert len(found.keys) == 13
    assert html.count("data:image/webp;base64,") == 1
    assert "<script>alert" not in html
    assert found.picture.parent == found.page.parent == tmp_path / "photos-map"


def test_of_many_images_some_have_thumbnails_and_some_are_looked_at(groups, monkeypatch):
    """And the page and the record say so."""
    monkeypatch.setattr("boda.pipelines.maps.measuring.STARTED", 30)
    found = boda.map_points(groups, starts=2)
    assert found.record["measured"]["disagreement"]["rows"] == 30
    assert np.isfinite(found.points["disagreement"]).sum() == 30


def test_points_are_coloured_by_names_numbers_or_clusters(groups, monkeypatch):
    """What each point is stands on the page; a row in no cluster, or an image the clustering lacks, has no name."""
    keys = groups.features().keys
    clustering = SimpleNamespace(keys=keys[:47], labels=np.array([-1, *[0, 1] * 23]))
    monkeypatch.setattr("boda.pipelines.maps.showing.load_clustering", lambda name, _: (clustering, None))
    texts = {}
    for colour in ("group", "size", "log1p(size)", "cluster:two"):
        page = boda.map_points(groups, method="pca", colour=colour, force=True).page.read_text("utf-8")
        data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
        texts[data["named"]] = data["texts"]
    assert list(texts) == ["group", "size", "log1p(size)", "cluster:two"]
    assert texts["group"][::16] == ["a", "b", "c"]
    assert texts["size"][:3] == ["0", "1", "2"]
    assert texts["log1p(size)"][1] == "0.6931"
    assert (texts["cluster:two"][:3], texts["cluster:two"][-1]) == (["", "0", "1"], "")


def test_infinite_numbers_are_no_number(tmp_path):
    """Neither among a few whole numbers, which are names, nor on a scale."""
    columns = {"few": [1.0, 2.0, float("inf"), None] * 3, "many": [float("-inf"), *np.linspace(0, 1, 11).tolist()]}
    features = np.random.default_rng(0).normal(size=(12, 4))
    there = synthetic_workspace(tmp_path / "w.boda", {"plain": features}, columns)
    texts = {}
    for colour in columns:
        page = boda.map_points(there, method="pca", colour=colour, force=True).page.read_text("utf-8")
        texts[colour] = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])["texts"]
    assert texts["few"][:4] == ["1", "2", "", ""]
    assert texts["many"][:3] == ["", "0", "0.1"]


def test_images_that_need_a_stretch_have_thumbnails_with_it(tmp_path):
    """Those of telescopes are shown as they were embedded."""
    fits = pytest.importorskip("astropy.io.fits")
    sky = tmp_path / "sky"
    sky.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        fits.PrimaryHDU(rng.normal(100, 30, (40, 40)).astype(np.float32)).writeto(sky / f"{number}.fits")
    asked = {"stretch": "linear:0,200", "to": tmp_path / "sky.boda", "executor": "in-process", "workers": 1}
    there = boda.embed(sky, encoders="handmade:hog-colour", **asked)
    page = boda.map_points(there, method="pca").page.read_text("utf-8")
    assert json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])["pictured"] == list(range(6))


def test_a_seed_of_numpy_is_kept_as_a_number(groups):
    """As a notebook has it; what is no whole number is refused."""
    found = boda.map_points(groups, method="pca", seed=np.int64(3))
    assert json.loads(json.dumps(found.as_json()))["settings"]["seed"] == 3
    with pytest.raises(Refused, match="whole number"):
        boda.map_points(groups, method="pca", seed=1.5)


def test_what_does_not_fit_is_refused_before_anything_is_computed(groups, tmp_path, monkeypatch):
    """Names, columns, files in the way, settings beside onto."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed before it was refused")

    monkeypatch.setattr("boda.pipelines.map_points.map_rows", never)
    (tmp_path / "mine.html").write_text("mine")
    for arguments, kind, words in [
        ({"colour": "gruop"}, NotFound, "There is: group"),
        ({"name": "a b"}, Refused, "no name for a map"),
        ({"to": tmp_path / "mine.html"}, Refused, "--force"),
        ({"to": tmp_path / "map.svg"}, Refused, r"\.html"),
        ({"to": groups.path}, Refused, "is a workspace"),
        ({"to": tmp_path / "nowhere" / "map.html"}, NotFound, "no such folder"),
        ({"starts": 1}, Refused, "give 3, or 0"),
        ({"recipe": "other"}, NotFound, "There is: plain"),
        ({"onto": "tsne"}, NotFound, "no map called 'tsne'"),
        ({"onto": "tsne", "method": "pca", "dims": 2}, Refused, "method and dims cannot be chosen"),
        ({"perplexity": 16.0}, Refused, "choose from 1 to 15.67"),
    ]:
        with pytest.raises(kind, match=words):
            boda.map_points(groups, **arguments)


def test_a_damaged_or_newer_map_is_not_read(groups):
    """One line says which."""
    boda.map_points(groups, starts=0, method="pca")
    files = groups.result("map", "pca")
    head = json.loads(files["map.json"])
    for change, kind in (({"format": 2}, NewerFormat), ({"settings": {}}, Damaged)):
        with pytest.raises(kind, match="here"):
            KeptMap.from_files(files | {"map.json": json.dumps(head | change).encode()}, "here")
    with pytest.raises(Damaged, match="differ in number"):
        KeptMap.from_files(files | {"places.npy": files["placed.npy"]}, "here")
    with pytest.raises(Damaged):
        KeptMap.from_files(files | {"places.npy": b"\x80\x04N."}, "here")


def test_progress_counts_the_steps_of_all_maps(groups, tmp_path):
    """From the first word to the last step, of the map and of its random starts; of placing too. A PCA takes none."""
    heard: list[Progress] = []
    boda.map_points(groups, starts=2, progress=heard.append)
    assert heard[0] == Progress("mapping", 0, 3 * 200)
    done = [one.done for one in heard]
    assert done == sorted(set(done))
    assert (heard[-1].stage, heard[-1].done, heard[-1].total) == ("mapping", 600, 600)
    other = synthetic_workspace(
        tmp_path / "other.boda", {"plain": grouped(np.random.default_rng(5), each=2)}, {"a": ["x"] * 6}
    )
    boda.map_points(other, onto=groups.path / "tsne", progress=heard.append)
    assert (heard[-1].done, heard[-1].total) == (250, 250)
    heard.clear()
    boda.map_points(groups, method="pca", progress=heard.append)
    assert heard == [Progress("mapping", 0, 0)]
