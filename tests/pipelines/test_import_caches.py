"""Caches of notebooks come in with every trap they hold: nothing is shifted, shortened or sorted as text."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import boda
from boda.errors import MissingExtra, NotFound, Refused
from boda.pipelines.caches import natural, read_cache

NAMES = ["red 0.png", "red 1.png", "red 2.png", "blue 0.png", "blue 1.png", "green 0.png", "green 1.png"]
WIDTH = 6


def vectors(rows: int = len(NAMES), seed: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32))


def shard(folder: Path, number: int, names, features, scores=None) -> Path:
    """One file as the notebooks write them."""
    folder.mkdir(exist_ok=True)
    record = {"image_names": names, "image_features": features}
    torch.save(record if scores is None else record | {"scores": scores}, folder / f"shard_{number}.pt")
    return folder / f"shard_{number}.pt"


@pytest.fixture
def cache(tmp_path) -> Path:
    """Seven images in shards of three, the last of one row, with scores 1, 2, ..."""
    folder = tmp_path / "ava_embeddings"
    found = vectors()
    for start in range(0, len(NAMES), 3):
        names = NAMES[start : start + 3]
        shard(folder, start // 3, names, found[start : start + 3], torch.arange(start, start + len(names)) + 1.0)
    return folder


def imported(workspace, folder: Path, pattern: str = "*.pt", **options):
    return boda.import_features(workspace, str(folder / pattern), **options)


def check_rows(workspace, taken, found: torch.Tensor, names=NAMES) -> None:
    """Each image has its own vector."""
    features = workspace.features(taken.recipe)
    rows = dict(zip(names, found.numpy(), strict=True))
    assert set(rows) <= set(features.keys)
    for key, row in zip(features.keys, features.array, strict=True):
        np.testing.assert_array_equal(row, rows[key if key in rows else "red 0.png"])  # else the copy of red 0.png


def test_a_cache_becomes_features_and_labels(workspace, cache):
    """Vectors and scores are at their images; the recipe is unknown; named as the folder; importing again changes nothing."""
    taken = imported(workspace, cache)
    assert (taken.rows, taken.imported, taken.files, taken.left_out) == (7, 7, 3, ())
    assert (taken.recipe.architecture, taken.recipe.known, taken.recipe.name) == ("unknown", False, "ava_embeddings")
    check_rows(workspace, taken, vectors())
    frame = workspace.frame().to_pydict()
    scores = dict(zip(frame["key"], frame["scores"], strict=True))
    assert [scores[name] for name in NAMES] == [1, 2, 3, 4, 5, 6, 7]
    assert scores["red 3.png"] is None
    assert (taken.labels, workspace.labels()[-1].name) == ("ava_embeddings", "ava_embeddings")
    again = imported(workspace, cache)
    assert (again.recipe, again.imported, again.already) == (taken.recipe, 0, 7)
    assert boda.doctor(workspace, deep=True).whole
    assert json.loads(json.dumps(taken.as_json()))["labels"] == "ava_embeddings"


def test_shards_are_taken_in_the_order_of_their_numbers(tmp_path):
    """Shard 10000 comes after shard 9999, however the shell sorted them."""
    found = vectors(4)
    numbers = [10_000, 9_999, 2, 1]
    files = [shard(tmp_path / "c", n, [f"{n}.jpg"], found[row : row + 1]) for row, n in enumerate(numbers)]
    cache = read_cache(sorted(files))
    assert cache.names == ["1.jpg", "2.jpg", "9999.jpg", "10000.jpg"]
    np.testing.assert_array_equal(cache.vectors, found.numpy()[::-1])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**12), unique=True), st.integers(0, 5))
def test_natural_order_is_that_of_the_numbers(numbers, zeros):
    """With and without leading zeros."""
    files = [Path(f"s_{number:0{zeros}}.pt") for number in numbers]
    assert sorted(files, key=natural) == [Path(f"s_{number:0{zeros}}.pt") for number in sorted(numbers)]


def test_the_shell_may_expand_the_pattern(workspace, cache):
    """Files one by one, in any order and twice, are the same cache."""
    files = sorted(cache.iterdir(), reverse=True)
    assert boda.import_features(workspace, [*files, files[0]]).recipe == imported(workspace, cache).recipe


@pytest.mark.parametrize(
    ("names", "features", "scores", "counts"),
    [
        (3, 2, 3, (3, 2, 3)),
        (3, 3, 2, (3, 3, 2)),
        (2, 3, 3, (2, 3, 3)),
        (3, 0, 3, (3, 0, 3)),
        (2, 3, None, (2, 3, None)),
    ],
)
def test_a_file_whose_counts_differ_is_left_out(workspace, cache, names, features, scores, counts):
    """A bad image that is in the names and not in the features shifts nothing: none of the file's rows is taken."""
    bad = [f"green {n}.png" for n in range(1, 1 + names)]
    given = None if scores is None else torch.ones(scores)
    shard(cache, 1, bad, vectors(features, seed=9), given)
    taken = imported(workspace, cache)
    [left] = taken.left_out
    assert (Path(left.file).name, left.names, left.features, left.scores) == ("shard_1.pt", *counts)
    assert (taken.rows, taken.imported) == (4, 4)
    check_rows(workspace, taken, vectors()[[0, 1, 2, 6]], [NAMES[place] for place in (0, 1, 2, 6)])
    text = "\n".join(taken.lines())
    assert "1 of 3 files are left out" in text
    assert f"shard_1.pt: {names} names, {features} features" in text


def test_a_last_shard_of_one_row_may_have_lost_its_axis(tmp_path):
    """(d,) is one row as (1, d) is, with its name and score bare or in a list; (n, 1, d) is n rows."""
    found = vectors(1)
    for number, (names, features, scores) in enumerate(
        [
            (["a"], found, torch.tensor([2.0])),
            (["a"], found[0], torch.tensor(2.0)),
            ("a", found[0], 2.0),
            ("a", found[None], torch.tensor([[2.0]])),
            (["a"], [found[0]], [torch.tensor(2.0)]),
            (["a"], found.tolist(), [2]),
        ]
    ):
        cache = read_cache([shard(tmp_path, number, names, features, scores)])
        assert (cache.names, cache.scores.tolist()) == (["a"], [[2.0]])
        np.testing.assert_array_equal(cache.vectors, found.numpy())


def test_a_vector_is_never_a_column(tmp_path):
    """One bare vector for as many names as it is long is one row too few names away from being right: left out."""
    with pytest.raises(Refused, match="6 names, 1 features"):
        read_cache([shard(tmp_path, 0, list("abcdef"), vectors(1)[0])])
    with pytest.raises(Refused, match="1 names, 1 features, 3 scores"):
        read_cache([shard(tmp_path, 0, ["a"], vectors(1), torch.ones(3))])


def test_a_column_of_scores_does_not_broadcast(tmp_path):
    """(n, 1) scores are n scores; several a row stay apart as scores_0, scores_1, ..."""
    assert read_cache([shard(tmp_path, 0, ["a", "b"], vectors(2), torch.tensor([[1.0], [2.0]]))]).scores.shape == (2, 1)
    counts = torch.arange(20).reshape(2, 10)
    assert read_cache([shard(tmp_path, 1, ["a", "b"], vectors(2), counts)]).scores.shape == (2, 10)


def test_shards_of_bad_images_only_are_empty(workspace, cache):
    """No names and no features is no row and no trouble, whatever the shape of nothing."""
    nothing = [torch.zeros(0), torch.zeros(0, WIDTH), torch.zeros(0, 0), []]
    for number, features in enumerate(nothing):
        shard(cache, 100 + number, [], features, torch.zeros(0))
    taken = imported(workspace, cache)
    assert (taken.files, taken.rows, taken.left_out) == (7, 7, ())
    with pytest.raises(Refused, match="nothing can be taken from 4 files: no rows"):
        imported(workspace, cache, "shard_10?.pt")


def test_images_named_twice_are_refused_with_their_files(workspace, cache):
    """Each image once; nothing is stored."""
    shard(cache, 7, ["red 3.png", NAMES[1]], vectors(2, seed=5))
    before = workspace.recipes()
    with pytest.raises(Refused, match=r"1 images are named more than once, as red 1\.png \(shard_0\.pt, shard_7\.pt\)"):
        imported(workspace, cache)
    assert workspace.recipes() == before


def test_a_shard_of_another_width_is_left_out(workspace, cache):
    """The width that most rows have is that of the cache, also where the first file differs."""
    shard(cache, 0, NAMES[:3], torch.ones(3, 4))
    shard(cache, 2, NAMES[6:], vectors()[6:], torch.ones(1, 2))
    left = imported(workspace, cache).left_out
    assert [one.why for one in left] == [
        "its features are 4 wide, those of other files 6", "its scores are 2 wide, those of other files 1",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["/content/ava/images/{}", "{}", "stem"])
def test_names_are_paths_file_names_or_ids(workspace, tmp_path, form):
    """What a notebook on another machine called an image is found here by its name or stem."""
    names = [Path(name).stem if form == "stem" else form.format(name) for name in NAMES]
    shard(tmp_path / "c", 0, [*names, "nobody"], vectors(8), torch.arange(8))
    taken = imported(workspace, tmp_path / "c", name="mine")
    assert (taken.imported, taken.unmatched, taken.examples) == (7, 1, ("nobody",))
    check_rows(workspace, taken, vectors(8)[:7])
    frame = workspace.frame().to_pydict()
    assert dict(zip(frame["key"], frame["scores"], strict=True))["green 1.png"] == 6


def test_ids_may_be_numbers(tmp_path):
    """As AVA has them: a list or a tensor of whole numbers."""
    for number, names in enumerate(([953619, 953958], torch.tensor([953619, 953958]))):
        assert read_cache([shard(tmp_path, number, names, vectors(2))]).names == ["953619", "953958"]


def test_no_match_shows_both_sides(workspace, tmp_path):
    """And nothing is stored."""
    shard(tmp_path / "c", 0, ["x", "y"], vectors(2), torch.ones(2))
    with pytest.raises(NotFound, match=r"In the workspace: blue 0\.png.*In the file: x, y"):
        imported(workspace, tmp_path / "c")
    assert workspace.labels() == []


def test_a_stated_recipe_is_believed(workspace, cache, tmp_path):
    """As for every other import; precision is kept as it was stored."""
    stated = workspace.recipe().as_json() | {"weights": "1" * 64, "name": "clip"}
    (tmp_path / "r.json").write_text(json.dumps(stated))
    taken = imported(workspace, cache, recipe=tmp_path / "r.json")
    assert taken.recipe.known
    check_rows(workspace, taken, vectors())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read(tmp_path, kind):
    """Half and double become float32, value by value."""
    found = vectors().to(kind)
    np.testing.assert_array_equal(read_cache([shard(tmp_path, 0, NAMES, found)]).vectors, found.float().numpy())


def test_scores_that_are_missing_are_missing(workspace, cache):
    """A file without scores and a score that is NaN give no label; the others stay."""
    shard(cache, 0, NAMES[:3], vectors()[:3])
    shard(cache, 2, NAMES[6:], vectors()[6:], torch.tensor([torch.nan]))
    imported(workspace, cache)
    frame = workspace.frame().to_pydict()
    scores = dict(zip(frame["key"], frame["scores"], strict=True))
    assert [scores[name] for name in NAMES] == [None, None, None, 4, 5, 6, None]


def test_labels_of_another_kind_are_not_replaced(workspace, cache, tmp_path):
    """A set of labels with the name of the cache stays; another name helps."""
    (tmp_path / "t.csv").write_text("key,rating\nred 0.png,5\n")
    boda.label(workspace, from_table=tmp_path / "t.csv", name="ava_embeddings")
    with pytest.raises(Refused, match="choose another --name"):
        imported(workspace, cache)
    assert len(workspace.recipes()) == 1
    assert imported(workspace, cache, name="ava").labels == "ava"
    assert {labels.name for labels in workspace.labels()} == {"ava_embeddings", "ava"}


class Boom:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("code was run",)


def test_files_that_are_no_shards_are_left_out(workspace, cache):
    """A pickle with code, arrays of NumPy, rubbish, a cut file and other dictionaries cost themselves alone."""
    (cache / "code.pt").write_bytes(pickle.dumps({"image_names": Boom(), "image_features": Boom()}))
    shard(cache, 20, ["red 3.png"], np.ones((1, WIDTH)))
    (cache / "rubbish.pt").write_bytes(b"\x80\x02rubbish")
    (cache / "cut.pt").write_bytes((cache / "shard_0.pt").read_bytes()[:-300])
    torch.save([1, 2], cache / "list.pt")
    torch.save({"weight": torch.ones(2)}, cache / "weights.pt")
    shard(cache, 21, {"a": 1}, torch.ones(1, WIDTH))
    shard(cache, 22, ["a"], "text")
    shard(cache, 23, ["a"], torch.ones(1, 2, 3, WIDTH))
    shard(cache, 24, ["a", "b"], [torch.ones(2), torch.ones(3)])
    shard(cache, 25, ["a"], torch.ones(1, WIDTH).to_sparse())
    shard(cache, 26, ["a"], torch.ones(1, WIDTH), ["good"])
    taken = imported(workspace, cache)
    assert taken.imported == 7
    assert len(taken.left_out) == taken.files - 3 == 12
    assert "and 2 more" in taken.lines()[-1]
    assert all("\n" not in one.why for one in taken.left_out)


def test_a_few_bytes_do_not_unpack_to_many(tmp_path):
    """A view that repeats one number, and lists that repeat each other, are not unpacked."""
    with pytest.raises(Refused, match="image_features are none that can be read"):
        read_cache([shard(tmp_path, 0, ["a"], torch.ones(1).expand(1, 10**9))])
    row = [1.0] * 1000
    with pytest.raises(Refused, match="image_features are none that can be read"):
        read_cache([shard(tmp_path, 1, ["a"], [row] * 10_000)])


def test_what_does_not_go_together_is_refused(workspace, cache, tmp_path, monkeypatch):
    """No file fits, several of other kinds, keys for shards, and no torch."""
    with pytest.raises(NotFound, match="no file fits this pattern"):
        imported(workspace, tmp_path, "nothing/*.pt")
    with pytest.raises(NotFound, match="no such file"):
        boda.import_features(workspace, [cache / "shard_0.pt", cache / "shard_99.pt"])
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.ones((2, 2)))
    with pytest.raises(Refused, match=r"only of \.pt and \.pth"):
        imported(workspace, tmp_path, "?.npy")
    with pytest.raises(Refused, match="--keys is for"):
        imported(workspace, cache, keys=tmp_path / "a.npy")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'boda\[torch\]'"):
        imported(workspace, cache)


def test_a_name_with_signs_of_a_pattern_is_a_name(workspace, tmp_path):
    """A file that is there is meant as it is called."""
    file = shard(tmp_path / "c[1]", 0, NAMES, vectors())
    taken = boda.import_features(workspace, file)
    assert (taken.imported, taken.recipe.name, taken.labels) == (7, "shard_0", None)


def test_the_command_takes_a_pattern_or_files(workspace, cache):
    """Quoted for boda or expanded by the shell; what is left out is told, and the rest is done."""
    from click.testing import CliRunner

    from boda.cli.main import cli
    from boda.cli.show import Show

    shard(cache, 0, NAMES[:3], vectors(2))
    files = [str(file) for file in sorted(cache.iterdir())]
    for files_given, count in (([str(cache / "*.pt")], 4), (files, 0)):
        done = CliRunner().invoke(cli, ["import-features", str(workspace.path), *files_given, "--json"], obj=Show())
        assert done.exit_code == 0
        record = json.loads(done.stdout)
        assert (record["imported"], record["files"], record["labels"]) == (count, 3, "ava_embeddings")
        assert record["left_out"][0]["names"] == 3
