"""`boda predict --head`: one row an image with interval or probabilities, in a workspace and of new images."""

import csv
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import boda
from spoken import one_line, one_object


@pytest.fixture
def new(album, tmp_path):
    """The same photographs at another place, which the head knows by what is in them, and a new one."""
    shutil.copytree(album / "photos", tmp_path / "new")
    from PIL import Image

    Image.new("RGB", (48, 40), (190, 60, 40)).save(tmp_path / "new" / "never seen.png")
    return tmp_path / "new"


def rows_of(path):
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_in_a_workspace_every_image_has_a_row(run, heads, tmp_path):
    """Of a class: prediction, probabilities that add up to 1, what is possible; a bad image has its reason."""
    result = run("predict", heads.path, "--head", "colour", "--to", tmp_path / "p.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["key", "prediction", "p_blue", "p_green", "p_red", "possible"]
    assert sum("trained on" in line for line in lines) == 25
    rows = rows_of(tmp_path / "p.csv")
    assert [row["key"] for row in rows] == [key for key in heads.keys()]  # noqa: C416, SIM118 - not a mapping
    assert list(rows[0]) == ["key", "prediction", "p_blue", "p_green", "p_red", "possible", "trained_on", "reason"]
    by_key = {row["key"]: row for row in rows}
    assert by_key["broken.jpg"]["prediction"] == ""
    assert by_key["broken.jpg"]["reason"].startswith("identify/not_an_image")
    assert by_key["red 1.png"]["prediction"] == "red"
    assert sum(float(by_key["red 1.png"][f"p_{name}"]) for name in ("red", "green", "blue")) == pytest.approx(1)
    assert by_key["사진, copy.png"]["trained_on"] == "true", "a copy of an image that was trained on"


def test_a_number_has_its_interval_in_parquet(run, heads, tmp_path):
    """`key`, `prediction`, `low`, `high`, and whether it was trained on."""
    assert run("predict", heads.path, "--head", "redness", "--to", tmp_path / "p.parquet", "-q").output == ""
    table = pq.read_table(tmp_path / "p.parquet")
    assert table.column_names == ["key", "prediction", "low", "high", "trained_on", "reason"]
    known = table.filter(table["reason"].is_null()).to_pydict()
    assert len(known["key"]) == 25
    assert all(
        low < said < high for low, said, high in zip(*(known[n] for n in ("low", "prediction", "high")), strict=True)
    )
    assert "--force" in one_line(run("predict", heads.path, "--head", "redness", "--to", tmp_path / "p.parquet"))


def test_json_is_one_object(run, heads):
    """`{"head", "target", "predictions"}`; a row without a prediction has a reason, others have none."""
    record = one_object(run("predict", heads.path, "--head", "colour", "--json"))
    assert (record["head"], record["target"], len(record["predictions"])) == ("colour", "colour", 26)
    by_key = {row["key"]: row for row in record["predictions"]}
    assert by_key["broken.jpg"]["prediction"] is None
    assert by_key["broken.jpg"]["reason"].startswith("identify/not_an_image")
    assert "reason" not in by_key["blue 3.png"]


@pytest.mark.parametrize("how", ["workspace", "folder"])
def test_new_files_are_seen_as_the_workspace_was(run, album, heads, new, tmp_path, how):
    """Embedded with the head's own recipe they get the same predictions; seen images are told by their content."""
    named = f"{heads.path}/colour" if how == "workspace" else album / "colour"
    assert run("predict", new, "--head", named, "--to", tmp_path / "new.csv", "-q").exit_code == 0
    assert run("predict", heads.path, "--head", "colour", "--to", tmp_path / "there.csv", "-q").exit_code == 0
    fresh, there = ({row["key"]: row for row in rows_of(tmp_path / name)} for name in ("new.csv", "there.csv"))
    assert set(fresh) - set(there) == {"never seen.png"}
    for key, row in there.items():
        if key == "broken.jpg":
            assert fresh[key]["reason"].startswith("identify/not_an_image")
            continue
        assert fresh[key]["prediction"] == row["prediction"]
        assert fresh[key]["trained_on"] == "true"
        for name in ("p_blue", "p_green", "p_red"):
            assert float(fresh[key][name]) == pytest.approx(float(row[name]), abs=1e-6)
    assert (fresh["never seen.png"]["prediction"], fresh["never seen.png"]["trained_on"]) == ("red", "false")


def test_files_keep_the_order_and_the_spelling_in_which_they_were_given(run, album, new, monkeypatch):
    """The key of a file is its path as it was typed."""
    monkeypatch.chdir(new.parent)
    record = one_object(
        run("predict", "new/red 1.png", "new/blue 0.png", "new/broken.jpg", "--head", album / "colour", "--json")
    )
    assert [row["key"] for row in record["predictions"]] == ["new/red 1.png", "new/blue 0.png", "new/broken.jpg"]
    assert [row["prediction"] for row in record["predictions"]] == ["red", "blue", None]


def test_only_bad_images_are_rows_with_reasons(run, album, tmp_path):
    """Nothing gives features, and yet each image has its row; exit code 0."""
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.jpg").write_bytes(b"no image at all")
    (bad / "b.png").write_bytes(b"")
    for head in ("colour", "redness"):
        named = album / "album.boda" / head
        record = one_object(run("predict", bad, "--head", named, "--json"))
        assert [(row["key"], row["prediction"]) for row in record["predictions"]] == [("a.jpg", None), ("b.png", None)]
        assert all(row["reason"] for row in record["predictions"])
    result = run("predict", bad / "a.jpg", "--head", album / "colour", "--to", tmp_path / "bad.csv")
    assert result.exit_code == 0
    assert "identify/not_an_image" in result.stdout
    (row,) = rows_of(tmp_path / "bad.csv")
    assert (row["prediction"], row["p_red"]) == ("", "")


def test_no_images_are_one_line(run, album, tmp_path):
    """An empty folder and a missing one; no temporary place is named."""
    (tmp_path / "empty").mkdir()
    empty = one_line(run("predict", tmp_path / "empty", "--head", album / "colour"))
    assert "no images" in empty
    assert "boda-predict-" not in empty
    assert "nowhere" in one_line(run("predict", tmp_path / "nowhere", "--head", album / "colour"))


def test_columns_of_new_images_come_from_a_table(run, heads, new, tmp_path):
    """A head of image and number takes both; without the table it says what it needs."""
    line = one_line(run("predict", new, "--head", f"{heads.path}/both"))
    assert "takes iso too" in line
    assert "--from TABLE" in line
    lines = ["key,iso", *(f'"{path.name}",{number / 10}' for number, path in enumerate(sorted(new.glob("*.png"))))]
    (tmp_path / "iso.csv").write_text("\n".join(lines), "utf-8")
    predict = ("predict", new, "--head", f"{heads.path}/both", "--json")
    record = one_object(run(*predict, "--from", tmp_path / "iso.csv"))
    by_key = {row["key"]: row["prediction"] for row in record["predictions"]}
    assert by_key["broken.jpg"] is None
    (tmp_path / "more.csv").write_text("\n".join(lines).replace('"red 1.png",', '"red 1.png",9'), "utf-8")
    other = one_object(run(*predict, "--from", tmp_path / "more.csv"))
    changed = [row["key"] for row in other["predictions"] if row["prediction"] != by_key[row["key"]]]
    assert changed == ["red 1.png"]
    (tmp_path / "else.csv").write_text("key,iso\nsomebody.png,1\n")
    assert "somebody.png" in one_line(run(*predict[:-1], "--from", tmp_path / "else.csv"))


def test_an_unknown_head_lists_those_that_are_there(run, heads, new):
    """By name in a workspace, and as a path of new images."""
    assert "has: colour, redness, both" in one_line(run("predict", heads.path, "--head", "color"))
    assert "has: colour, redness, both" in one_line(run("predict", new, "--head", f"{heads.path}/color"))
    assert "no folder with one" in one_line(run("predict", new, "--head", "color"))


@pytest.mark.parametrize(
    "options",
    [
        ["--head", "colour", "--topk", "3"],
        ["--head", "colour", "--pixels", "size=32"],
        ["--from", "t.csv"],
    ],
)
def test_options_of_the_other_kind_are_wrong_usage(run, heads, options):
    """A head has its own recipe; a classifier takes no columns."""
    result = run("predict", heads.path, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_another_encoder_than_the_heads_own_is_refused(run, heads, new):
    """Whatever is asked for, features of another recipe are not predicted from."""
    line = one_line(run("predict", new, "--head", f"{heads.path}/colour", "-e", "handmade:nothing"))
    assert "handmade:nothing" in line


def test_the_command_line_and_python_agree(run, heads, tmp_path):
    """The table that is written is the one that the function gives."""
    assert run("predict", heads.path, "--head", "redness", "--to", tmp_path / "p.parquet", "-q").exit_code == 0
    assert pq.read_table(tmp_path / "p.parquet").equals(boda.predict(heads.path, head="redness").table())


def test_units_without_all_their_images_have_a_row_too(run, tmp_path):
    """A house that lacks a photograph has no prediction, and says so."""
    from synthetic import synthetic_workspace

    x = np.random.default_rng(2).normal(size=(61, 3))
    columns = {
        "house": [f"house {row // 2}" for row in range(61)],
        "room": [("bath", "kitchen")[row % 2] for row in range(61)],
        "price": [float(x[row - row % 2, 0]) for row in range(61)],
    }
    workspace = synthetic_workspace(tmp_path / "houses.boda", {"f": x}, columns)
    options = ("--target", "price", "--unit", "house", "--view", "room", "--no-page", "-q")
    assert run("train", workspace.path, *options).exit_code == 0
    record = one_object(run("predict", workspace.path, "--head", "price", "--json"))
    assert len(record["predictions"]) == 31
    last = record["predictions"][-1]
    assert (last["key"], last["prediction"], last["trained_on"]) == ("house 30", None, False)
    assert "missing" in last["reason"]


def test_the_columns_of_a_manifest_are_those_of_its_images(run, heads, new, tmp_path):
    """A list of images that has the columns of a head needs no --from; where there are no images its folder is told."""
    (new / "list.csv").write_text("file,iso\nred 1.png,0.5\nnever seen.png,-1\n")
    result = run("predict", new / "list.csv", "--head", f"{heads.path}/both", "--json")
    rows = one_object(result)["predictions"]
    assert [row["key"] for row in rows] == ["red 1.png", "never seen.png"]
    assert rows[0]["prediction"] - rows[1]["prediction"] > 1
    (tmp_path / "empty").mkdir()
    line = one_line(run("predict", tmp_path / "empty", "--head", f"{heads.path}/colour"))
    assert line == f"boda: no images in {tmp_path / 'empty'}: nothing to embed"
