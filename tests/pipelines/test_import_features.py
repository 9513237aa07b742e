"""Imported features join the images of their keys, with a stated recipe or an unknown one; nothing is guessed."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import boda
from boda.encoders.registry import load_encoder
from boda.errors import NotAWorkspace, NotFound, Refused
from boda.pipelines.imports import read_features

KEYS = ["red 0.png", "blue 1.png", "green 2.png"]


def vectors(rows: int = 3, width: int = 5) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(rows, width)).astype(np.float32)


def write_npy(folder, keys=KEYS, array=None):
    np.save(folder / "f.npy", vectors(len(keys)) if array is None else array)
    (folder / "f.keys.jsonl").write_text("".join(json.dumps(key) + "\n" for key in keys))
    return folder / "f.npy"


def test_rows_join_their_images(workspace, tmp_path):
    """Each vector is at its key, in the order of the workspace; the copy of an image shares its row."""
    taken = boda.import_features(workspace, write_npy(tmp_path))
    features = workspace.features(taken.recipe)
    expected = dict(zip(KEYS, vectors(), strict=True)) | {"사진, copy.png": vectors()[0]}
    assert sorted(features.keys) == sorted(expected)
    for key, row in zip(features.keys, features.array, strict=True):
        np.testing.assert_array_equal(row, expected[key])
    assert (taken.rows, taken.imported, taken.without) == (3, 3, 11)
    assert not taken.recipe.known
    assert boda.doctor(workspace, deep=True).whole


def test_an_export_comes_back(workspace, tmp_path):
    """What was exported is imported under a stated recipe, to the last bit, in every format."""
    features = workspace.features()
    for number, name in enumerate(("e.npy", "e.parquet", "e.csv")):
        boda.export(workspace, to=tmp_path / name, recipe=features.recipe)
        recipe = tmp_path / "recipe.json"
        stated = features.recipe.as_json() | {"weights": str(number) * 64, "name": name}
        recipe.write_text(json.dumps(stated))
        taken = boda.import_features(workspace, tmp_path / name, recipe=recipe)
        assert taken.recipe.known
        again = workspace.features(taken.recipe)
        assert list(again.keys) == list(features.keys)
        np.testing.assert_array_equal(again.array, features.array)
        assert (taken.imported, taken.already) == (12, 1)


def test_importing_again_changes_nothing(workspace, tmp_path):
    """The same file has the same recipe, and its rows are there already."""
    first = boda.import_features(workspace, write_npy(tmp_path))
    second = boda.import_features(workspace, tmp_path / "f.npy")
    assert second.recipe == first.recipe
    assert (second.imported, second.already) == (0, 3)
    other = boda.import_features(workspace, write_npy(tmp_path, KEYS[::-1]))
    assert other.recipe != first.recipe, "the same values for other images are other features"


def test_unmatched_keys_are_reported(workspace, tmp_path):
    """They are left out and named; when none matches, nothing is stored and both sides are shown."""
    taken = boda.import_features(workspace, write_npy(tmp_path, ["red 0.png", "nobody.png"]))
    assert (taken.imported, taken.unmatched, taken.examples) == (1, 1, ("nobody.png",))
    assert any("nobody.png" in line for line in taken.lines())
    recipes = workspace.recipes()
    with pytest.raises(NotFound, match=r"In the workspace: blue 0\.png.*In the file: x, y"):
        boda.import_features(workspace, write_npy(tmp_path, ["x", "y"]))
    assert workspace.recipes() == recipes


def test_a_new_workspace_is_made_from_its_images(photos, tmp_path):
    """Images that were never read are read once; what cannot be read has no features."""
    new = tmp_path / "new.boda"
    with pytest.raises(NotAWorkspace):
        boda.import_features(new, write_npy(tmp_path))
    taken = boda.import_features(new, tmp_path / "f.npy", source=photos, name="mine")
    assert (taken.imported, taken.without) == (3, 11)
    assert boda.open(new).features("mine").array.shape == (3, 5)
    with pytest.raises(Refused, match="leave out the source"):
        boda.import_features(new, tmp_path / "f.npy", source=photos)
    (photos / "red 3.png").unlink()
    gone = boda.import_features(new, write_npy(tmp_path, ["red 2.png", "red 3.png"]))
    assert (gone.imported, gone.unreadable) == (1, 1)
    encoder = load_encoder("handmade:hog-colour")
    with boda.open(new).write() as writer:
        writer.add_recipe(encoder.recipe, encoder.width)
        todo = [one.ref.key for page in writer.compute_pages([encoder.recipe.id]) for one in page]
    assert "red 0.png" in todo, "embedding goes on from here"


@pytest.mark.parametrize(
    ("keys", "array", "words"),
    [
        (KEYS, vectors(4), "3 keys for 4 rows"),
        (["a", "a", "b"], vectors(), "1 keys occur more than once, as a"),
        (KEYS, np.array([[1, 2], [3, np.nan], [5, 6]], "f4"), r"row 1 \(blue 1\.png\) is not finite"),
        (KEYS, np.array([[1, 2], [3, 1e300], [5, 6]]), "row 1 .* not finite in float32"),
        (KEYS, np.arange(3.0), r"shape \(3,\)"),
        (KEYS, np.arange(6).reshape(3, 2), "int64"),
        (KEYS, np.array([["a"], ["b"], ["c"]]), "<U1"),
        ([], np.zeros((0, 4), "f4"), "no rows"),
    ],
)
def test_what_does_not_fit_is_refused(workspace, tmp_path, keys, array, words):
    """Lengths, duplicates, values and shapes; nothing is stored."""
    with pytest.raises(Refused, match=words):
        boda.import_features(workspace, write_npy(tmp_path, keys, array))
    assert len(workspace.recipes()) == 1


def test_pickles_and_rubbish_are_refused(workspace, tmp_path):
    """No object arrays, no half files, no unknown endings, no recipe of rubbish."""
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "o.npz", keys=np.array(["a"]), features=np.array([{}], dtype=object))
    (tmp_path / "cut.npy").write_bytes(write_npy(tmp_path).read_bytes()[:-7])
    for name in ("o.npy", "o.npz", "cut.npy"):
        with pytest.raises(Refused, match="not a"):
            boda.import_features(
                workspace, tmp_path / name, keys=None if name == "o.npz" else tmp_path / "f.keys.jsonl"
            )
    for name in ("x.parquet", "x.csv", "x.npz", "x.npy"):
        (tmp_path / name).write_bytes(b"\xff\x00rubbish")
        with pytest.raises((Refused, NotFound)):
            boda.import_features(workspace, tmp_path / name)
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(Refused, match=r"\.npy, \.npz"):
        boda.import_features(workspace, tmp_path / "x.pkl")
    (tmp_path / "r.json").write_text('{"name": 3}')
    with pytest.raises(Refused, match="not a recipe"):
        boda.import_features(workspace, tmp_path / "f.npy", recipe=tmp_path / "r.json")
    np.save(tmp_path / "alone.npy", vectors())
    with pytest.raises(NotFound, match="--keys"):
        boda.import_features(workspace, tmp_path / "alone.npy")


@pytest.mark.parametrize("ending", ["keys.json", "keys.txt", "keys.csv"])
def test_keys_are_found_beside(tmp_path, ending):
    """As a JSON list, one a line, or a CSV."""
    np.save(tmp_path / "f.npy", vectors())
    text = {
        "keys.json": json.dumps(KEYS),
        "keys.txt": "\n".join(KEYS) + "\n",
        "keys.csv": "n,file\n1," + "\n2,".join(KEYS),
    }
    (tmp_path / f"f.{ending}").write_text(text[ending])
    assert read_features(tmp_path / "f.npy", None)[0] == KEYS


def test_tables_say_which_columns_hold_what(tmp_path):
    """A column of lists, or numbered columns in the order of their numbers; text ids keep their zeros."""
    wide = {f"dim_{i}": vectors(3, 12)[:, i] for i in reversed(range(12))}
    parquet.write_table(pa.table({"image_path": KEYS, "score": [1.0, 2.0, 3.0], **wide}), tmp_path / "w.parquet")
    keys, found = read_features(tmp_path / "w.parquet", None)
    assert keys == KEYS
    np.testing.assert_array_equal(found, vectors(3, 12))
    (tmp_path / "t.csv").write_text("id,x_1,x_2\n007,1,2\n08,3,4.5\n")
    keys, found = read_features(tmp_path / "t.csv", None)
    assert keys == ["007", "08"]
    np.testing.assert_array_equal(found, [[1, 2], [3, 4.5]])
    for table, words in (
        ({"a": ["x"], "b": ["y"], "v_0": [1.0]}, "cannot tell which column holds the keys among a, b"),
        ({"key": ["x"], "label": [3]}, "no column of lists"),
        ({"key": ["x", "y"], "v": [[1.0], [1.0, 2.0]]}, "several lengths"),
        ({"key": ["x", None], "v": [[1.0], [2.0]]}, "1 rows have no key"),
        ({"key": ["x"], "v": [[1.0, None]]}, "1 values of the features are missing"),
    ):
        parquet.write_table(pa.table(table), tmp_path / "bad.parquet")
        with pytest.raises(Refused, match=words):
            read_features(tmp_path / "bad.parquet", None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=1).filter(lambda b: b"\0" not in b), min_size=1, unique=True))
def test_any_key_survives_the_file_of_keys(tmp_path, raw):
    """Bytes that are not UTF-8, newlines and quotes: written by export's rule, read back the same."""
    from boda.keys import from_bytes, to_json

    keys = [from_bytes(one) for one in raw]
    np.save(tmp_path / "f.npy", vectors(len(keys)))
    (tmp_path / "f.keys.jsonl").write_text("".join(json.dumps(to_json(key)) + "\n" for key in keys))
    assert read_features(tmp_path / "f.npy", None)[0] == keys
