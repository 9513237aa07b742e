"""What went wrong in the published code, each shown right here."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from ava.features import AvaFeatures, of_cache, of_images
from ava.published_training import Settings
from ava.scales import DIVIDED, RAW, SCALES
from ava.split import Split, published_split
from ava.study import Effort, study
from ava.table import AvaTable
from boda.encoders.registry import load_encoder
from boda.errors import NotFound, Refused

WIDTH = 6


def table_of(ids: np.ndarray, seed: int = 3) -> AvaTable:
    """Images that 20 people rated."""
    rng = np.random.default_rng(seed)
    lines = np.zeros((len(ids), 15), np.int64)
    lines[:, 1] = ids
    lines[:, 2:12] = rng.multinomial(20, rng.dirichlet(np.ones(10) * 2, len(ids)))
    return AvaTable.of(lines)


def vector_of(image: int) -> np.ndarray:
    """What the features of an image are, from its id alone."""
    return np.random.default_rng(image).normal(size=WIDTH).astype(np.float32)


def shard(folder: Path, number: int, names: list[str], features: torch.Tensor, scores: torch.Tensor) -> None:
    """One file as the published notebooks write it."""
    folder.mkdir(exist_ok=True)
    torch.save({"image_names": names, "image_features": features, "scores": scores}, folder / f"embeddings_{number}.pt")


def stacked(ids: list[int]) -> torch.Tensor:
    return torch.from_numpy(np.stack([vector_of(one) for one in ids]))


def check(found: AvaFeatures, ids: list[int]) -> None:
    """Exactly these images are there, each with its own vector."""
    assert sorted(found.ids.tolist()) == sorted(ids)
    np.testing.assert_array_equal(found.of(np.array(ids)), stacked(ids).numpy())


def test_a_bad_image_does_not_shift_names_against_features(tmp_path):
    """The batch that kept the name of an image and not its features is left out and told; all other rows are right."""
    folder = tmp_path / "ava_embeddings"
    shard(folder, 0, ["11.jpg", "12.jpg", "13.jpg"], stacked([11, 12, 13]), torch.ones(3))
    shard(folder, 1, ["14.jpg", "15.jpg", "16.jpg"], stacked([14, 16]), torch.ones(3))  # 15 would not open
    shard(folder, 2, ["17.jpg", "18.jpg"], stacked([17, 18]), torch.ones(2))
    found = of_cache("ViT-B/16", str(folder / "*.pt"))
    check(found, [11, 12, 13, 17, 18])
    assert len(found.said) == 1
    assert "embeddings_1.pt: left out, 3 names, 2 features, 3 scores" in found.said[0]
    names, rows = [11, 12, 13, 14, 15, 16, 17, 18], [11, 12, 13, 14, 16, 17, 18]
    shifted = [name for name, row in zip(names, rows, strict=False) if name != row]
    assert shifted == [15, 16, 17], "which is what lists that are joined by place do"


def test_an_empty_batch_and_a_batch_of_one_are_what_they_are(tmp_path):
    """All images of a batch were bad: a file without rows. One image: (d,) features and a score without an axis."""
    folder = tmp_path / "ava_embeddings"
    shard(folder, 0, ["11", "12"], stacked([11, 12]), torch.ones(2))
    shard(folder, 1, [], torch.zeros(0), torch.zeros(0))
    shard(folder, 2, ["13"], stacked([13])[0], torch.tensor(5.0))
    found = of_cache("ViT-B/16", str(folder / "*.pt"))
    check(found, [11, 12, 13])
    assert found.said == ()


def test_rows_are_found_by_id_and_not_by_the_order_of_files(tmp_path):
    """Shard 10000 sorts before shard 2 as text, and that changes nothing: neither rows nor the order of training."""
    numbers = [1, 2, 9_999, 10_000, 10_001]
    ids = [50 + place for place in range(len(numbers))]
    for number, image in zip(numbers, ids, strict=True):
        shard(tmp_path / "c", number, [f"{image}.jpg"], stacked([image]), torch.ones(1))
    assert [file.stem for file in sorted((tmp_path / "c").iterdir())][1] == "embeddings_10000"
    found = of_cache("ViT-B/16", str(tmp_path / "c" / "*.pt"))
    assert found.ids.tolist() == ids
    check(found, ids)
    table = table_of(np.array(ids))
    order = published_split(table, found.ids)
    turned = AvaFeatures("turned", found.ids[::-1].copy(), found.vectors[::-1].copy())
    np.testing.assert_array_equal(found.of(table.ids[order.train]), turned.of(table.ids[order.train]))


def test_names_that_are_no_ids_are_told_and_copies_refused(tmp_path):
    """Paths of another machine are ids by their stem; nothing is guessed."""
    folder = tmp_path / "c"
    shard(folder, 0, ["/content/AVA/11.jpg", "images\\12.jpg", "cover.jpg"], stacked([11, 12, 13]), torch.ones(3))
    found = of_cache("ViT-B/16", str(folder / "*.pt"))
    check(found, [11, 12])
    assert found.said == ("1 rows left out: their names are no ids of AVA, as 'cover.jpg'",)
    with pytest.raises(NotFound, match="1 images have no features, as 13"):
        found.of(np.array([11, 13]))
    shard(folder, 1, ["11.png"], stacked([11]), torch.ones(1))
    with pytest.raises(Refused, match="image 11 has more than one row"):
        of_cache("ViT-B/16", str(folder / "*.pt"))


@dataclass
class Counting:
    """An encoder that counts the images it is shown."""

    whole: object = field(default_factory=lambda: load_encoder("handmade:hog-colour"))
    shown: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def recipe(self):
        return self.whole.recipe

    @property
    def width(self):
        return self.whole.width

    @property
    def device(self):
        return self.whole.device

    def at(self, precision):
        return self

    def __call__(self, pixels):
        with self.lock:
            self.shown += len(pixels)
        return self.whole(pixels)


@pytest.fixture
def photos(tmp_path) -> Path:
    """Twelve photographs 101.jpg to 112.jpg, then a whole batch of files that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(101, 113):
        noise = np.random.default_rng(number).integers(0, 255, (40, 48, 3))
        Image.fromarray(noise.astype(np.uint8)).save(folder / f"{number}.png")
    (folder / "105.png").write_bytes(b"no image")
    for number in range(201, 241):
        (folder / f"{number}.jpg").write_bytes(b"no image either")
    return folder


def test_each_image_is_embedded_once_for_both_target_scales(tmp_path, photos):
    """Bad ones are named, whole batches of them too; asking again embeds nothing."""
    encoder = Counting()
    (found,) = of_images(photos, tmp_path / "ava.boda", {"hog": encoder})
    good = [number for number in range(101, 113) if number != 105]
    assert sorted(found.ids.tolist()) == good
    assert len(found.said) == 41
    assert any(line.startswith("105.png: left out, identify/not_an_image") for line in found.said)
    alone = of_images(photos, tmp_path / "ava.boda", {"hog": encoder})[0]
    assert encoder.shown == len(good), "one feature set, two heads"
    np.testing.assert_array_equal(alone.of(found.ids), found.vectors)


@pytest.fixture(scope="module")
def small() -> tuple[AvaFeatures, AvaTable, Split]:
    """Features that know half of the rating."""
    ids = np.arange(1000, 1800)
    table = table_of(ids)
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(len(ids), WIDTH))
    noise[:, 0] += 2 * (table.means - table.means.mean())
    features = AvaFeatures("small", ids, (noise + 1).astype(np.float32))
    return features, table, published_split(table, ids)


def test_scores_of_both_scales_are_compared_in_ratings(small, tmp_path):
    """Errors of the two heads agree; compared with scores of the other scale they would be off tenfold, and Spearman,
    which is all that was published, would not show it."""
    features, table, split = small
    before = table.means.tobytes(), features.vectors.tobytes(), features.ids.tobytes()
    effort = Effort(Settings(epochs=2), epochs=3, rounds=20)
    found = study(features, table, split, "raw", effort, checkpoints=tmp_path, say=lambda line: None)
    raw, divided = (found.scores[f"closed form, {scale.name}"] for scale in SCALES)
    for metric in ("spearman", "pearson", "mae"):
        assert raw[metric].value == pytest.approx(divided[metric].value, rel=1e-9)
    assert 0 < raw["mae"].value < 1
    assert found.differences["closed form, divided by ten less closed form, raw"].value == pytest.approx(0, abs=1e-9)
    assert (table.means.tobytes(), features.vectors.tobytes(), features.ids.tobytes()) == before, "nothing in place"


def test_the_wrong_frame_is_invisible_to_spearman_alone():
    """Predictions on one scale against scores on the other: the same ranks, errors as large as the scores."""
    ratings = np.random.default_rng(0).normal(5.4, 0.7, 500)
    said = DIVIDED.target(ratings + np.random.default_rng(1).normal(0, 0.3, 500))
    right, wrong = DIVIDED.ratings(said), RAW.ratings(said)
    assert spearmanr(ratings, right).statistic == spearmanr(ratings, wrong).statistic
    assert abs(ratings - right).mean() < 0.3
    assert abs(ratings - wrong).mean() > 4


def test_dividing_a_target_leaves_the_ratings_as_they_are():
    """A new array each time; there and back is the same."""
    ratings = np.array([1.0, 5.5, 10.0])
    target = DIVIDED.target(ratings)
    assert ratings.tolist() == [1.0, 5.5, 10.0]
    np.testing.assert_allclose(DIVIDED.ratings(target), ratings, rtol=1e-15)
    assert not np.shares_memory(RAW.target(ratings), ratings)
