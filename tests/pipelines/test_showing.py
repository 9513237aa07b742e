"""Pictures of an autoencoder: what it gives back, cluster middles, one feature moved, from one image to another."""

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.pictures import sheet
from boda.pipelines.networks import showing
from boda.pipelines.networks.autoencoding import Autoencoding

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A run with kept epochs on grey stripes, 20 across and 20 upright, and a workspace with its features."""
    place = tmp_path_factory.mktemp("showing")
    rng = np.random.default_rng(0)
    (place / "images").mkdir()
    for row in range(40):
        pixels = rng.integers(0, 60, (28, 28))
        pixels[(slice(None), slice(8, 16)) if row % 2 else slice(8, 16)] += 190
        Image.fromarray(pixels.astype(np.uint8)).save(place / "images" / f"{row:02}.png")
    found = boda.train_network(
        place / "images", net="autoencoder?features=6&stages=8-16", to=place / "run", keep_epochs=(0, 6), workers=1,
        settings={"epochs": 6, "batch": 8, "lr": 0.02},
    )  # fmt: skip
    boda.embed(place / "images", encoders=found.encoder, to=place / "w.boda", precision="fp32", workers=1)
    return place / "run", boda.open(place / "w.boda")


@pytest.fixture
def drawn(monkeypatch):
    """The tiles of every sheet, in place of which nothing is drawn."""
    tiles = []

    def contact_sheet(given, **how):
        tiles.append((given, how))
        return sheet.contact_sheet(given, **how)

    monkeypatch.setattr(showing, "contact_sheet", contact_sheet)
    return tiles


def grey(tile):
    """The middle of each pixel of the image on a tile, which shows each as a square; (28, 28), 0 to 1."""
    values = np.asarray(tile.image, np.float64)
    assert values.shape == (112, 112, 3)
    assert (values == values[..., :1]).all()
    return values[2::4, 2::4, 0] / 255


def test_it_goes_both_ways(here):
    """Features are those of the encoder; a reconstruction is what is decoded of them."""
    run, workspace = here
    network = Autoencoding(run)
    pixels = showing.pixels_of(workspace, workspace.keys()[:3], network)
    features = network.features(pixels)
    np.testing.assert_allclose(features, workspace.features().array[:3], atol=1e-4)
    np.testing.assert_array_equal(network.reconstructed(pixels), network.decoded(features))
    np.testing.assert_allclose(network.seen(pixels)[..., 0], pixels[..., 0] / 255, atol=1e-6)


def test_images_stand_above_what_was_made_of_them(here, drawn):
    """Epoch by epoch, each with its own error; the image on top is the image."""
    run, workspace = here
    keys = workspace.keys()[4:7]
    showing.reconstructions(run, workspace, keys, epochs=(0, 6))
    ((tiles, how),) = drawn
    assert how["columns"] == 3
    assert [tile.caption[0] for tile in tiles] == [*keys, *["epoch 0"] * 3, *["epoch 6"] * 3]
    pixels = showing.pixels_of(workspace, keys, Autoencoding(run))
    errors = []
    for place, tile in enumerate(tiles):
        image = grey(tile)
        own = pixels[place % 3, ..., 0] / 255
        if place < 3:
            np.testing.assert_allclose(image, own, atol=1e-6)
        else:
            said = float(tile.caption[1].removeprefix("MSE "))
            assert said == pytest.approx(np.square(image - own).mean(), abs=2e-3)
            errors.append(said)
    assert max(errors[3:]) < min(errors[:3])


def test_a_folder_of_a_run_shows_its_own(here):
    """Images that chose the best epoch beside what was made of them, written with the run."""
    run, _ = here
    with Image.open(run / "reconstructions.png") as picture:
        assert picture.width > 4 * 112
        assert picture.height > 3 * 112


def test_cluster_middles_are_decoded(here, drawn):
    """Two kinds of stripes make two clusters; their middles show one stripe each."""
    run, workspace = here
    showing.centres(run, workspace, clusters=2)
    ((tiles, _),) = drawn
    assert [tile.caption for tile in tiles] == [("20 images",)] * 2
    images = [grey(tile) for tile in tiles]
    across = sorted(image[8:16, :].mean() - image[:, 8:16].mean() for image in images)
    assert across[0] < -0.05 < 0.05 < across[1]
    with pytest.raises(Refused, match="41 clusters of 40 images"):
        showing.centres(run, workspace, clusters=41)


def test_one_feature_is_moved(here, drawn):
    """From low to high; where it has its own value nothing changes, and the change is shown enlarged."""
    run, workspace = here
    key = workspace.keys()[3]
    showing.traversal(run, workspace, key, 2, steps=5)
    ((tiles, how),) = drawn
    assert how["title"] == f"feature 2 of {key}"
    assert len(tiles) == 12
    values = [float(tile.caption[0]) for tile in tiles[1:6]]
    assert values == sorted(values)
    np.testing.assert_allclose(grey(tiles[6]), 0.5, atol=0.01)
    times = float(tiles[7].caption[1].split()[0])
    for moved, change in zip(tiles[1:6], tiles[7:], strict=True):
        np.testing.assert_allclose(grey(change), 0.5 + times * (grey(moved) - grey(tiles[0])), atol=0.04)
    widest = int(np.argmax(np.std(workspace.features().array, axis=0)))
    showing.traversal(run, workspace, key)
    assert drawn[1][1]["title"] == f"feature {widest} of {key}"


def test_from_one_image_to_another(here, drawn):
    """On the line between the features, whose ends are the reconstructions; under it pixels blended."""
    run, workspace = here
    first, second = workspace.keys()[:2]
    showing.interpolation(run, workspace, first, second, steps=3)
    ((tiles, _),) = drawn
    network = Autoencoding(run)
    pixels = showing.pixels_of(workspace, [first, second], network)
    made, own = network.reconstructed(pixels)[..., 0], pixels[..., 0] / 255
    for place, expected in enumerate([made[0], None, made[1], own[0], own.mean(axis=0), own[1]]):
        if expected is not None:
            np.testing.assert_allclose(grey(tiles[place]), expected, atol=0.005)


def test_what_cannot_be_shown_is_one_line(here, tmp_path):
    """No such run, epoch, image or feature; a network that gives no images back."""
    run, workspace = here
    key = workspace.keys()[0]
    for ask, error, said in (
        (lambda: showing.reconstructions(tmp_path / "none", workspace), NotFound, "no such folder"),
        (lambda: showing.reconstructions(run, workspace, epochs=[3]), NotFound, "epoch 3 was not kept"),
        (lambda: showing.reconstructions(run, workspace, ["nobody.png"]), NotFound, "nobody.png"),
        (lambda: showing.traversal(run, workspace, key, 6), Refused, "feature 6 of 6"),
        (lambda: showing.traversal(run, workspace, "nobody.png"), NotFound, "nobody.png"),
        (lambda: showing.interpolation(run, workspace, key, key, steps=1), Refused, "two are the least"),
    ):
        with pytest.raises(error, match=said):
            ask()


def test_features_in_any_precision_will_do(here, tmp_path):
    """As `boda embed` makes them where the machine is fast at bf16."""
    run, _ = here
    images = run.parent / "images"
    half = boda.embed(images, encoders=f"run:{run}", to=tmp_path / "half.boda", precision="bf16", workers=1)
    assert showing.centres(run, half, clusters=2).width > 0
