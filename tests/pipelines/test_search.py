"""Search finds what looks alike, says by which recipe, and never compares what does not match."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import boda
from boda.encoders.registry import load_encoder
from boda.errors import NotFound, Refused
from boda.unreadable import BadImage


def test_the_copy_is_first_and_the_row_itself_is_no_hit(workspace):
    """A copy has likeness 1; then come images of the same colour."""
    found = boda.search(workspace, row="red 0.png", k=4)
    assert found.hits.keys[0] == "사진, copy.png"
    assert found.hits.likeness[0] == pytest.approx(1, abs=1e-6)
    assert all(key.startswith("red") for key in found.hits.keys[1:])
    assert "red 0.png" not in boda.search(workspace, row="red 0.png", k=99).hits.keys


def test_an_image_file_is_embedded_by_the_same_recipe(workspace, photos):
    """The file of an image finds that image first, itself included."""
    found = boda.search(workspace.path, image=photos / "green 2.png", k=3)
    assert found.hits.keys[0] == "green 2.png"
    assert found.recipe.id == load_encoder("handmade:hog-colour").recipe.id


def test_no_image_is_decoded_in_this_process(workspace, photos, monkeypatch):
    """Neither the query nor a hit: a hostile file can take a decoder with it, not the search."""
    from boda.pixels import decode, prepare

    def never(*_: object) -> None:
        raise AssertionError("decoded here")

    expected = boda.search(workspace, row="red 1.png", k=3)
    monkeypatch.setattr(prepare, "open_picture", never)
    monkeypatch.setattr(decode, "open_picture", never)
    assert boda.search(workspace, image=photos / "red 1.png", k=3).hits.keys[0] == "red 1.png"
    assert boda.search(workspace, row="red 1.png", k=3, to=expected.sheet.with_name("again.png")).hits == expected.hits
    with Image.open(expected.sheet) as first, Image.open(expected.sheet.with_name("again.png")) as again:
        np.testing.assert_array_equal(np.asarray(first), np.asarray(again))


def test_the_query_is_read_as_images_of_a_source_are(workspace, tmp_path):
    """A huge file is refused unread; here it is a hole."""
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate((512 << 20) + 1)
    with pytest.raises(BadImage, match="read/too_large"):
        boda.search(workspace, image=tmp_path / "x.png")


def test_the_sheet_is_beside_the_workspace_and_may_be_drawn_again(workspace):
    """The default place is NAME-search/; the same command may write there again."""
    first = boda.search(workspace, row="red 0.png")
    assert first.sheet.parent == workspace.path.parent / "photos-search"
    with Image.open(first.sheet) as sheet:
        assert sheet.format == "PNG"
        assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 500
    assert boda.search(workspace, row="red 0.png").sheet == first.sheet


def test_a_file_of_somebody_else_is_not_written_over(workspace, tmp_path):
    """Only force does that."""
    mine = tmp_path / "mine.png"
    Image.new("RGB", (3, 3)).save(mine)
    with pytest.raises(Refused, match="--force"):
        boda.search(workspace, row="red 0.png", to=mine)
    boda.search(workspace, row="red 0.png", to=mine, force=True)
    with Image.open(mine) as sheet:
        assert sheet.width > 3
    with pytest.raises(Refused, match=r"ends in \.png"):
        boda.search(workspace, row="red 0.png", to=tmp_path / "sheet.jpg")
    with pytest.raises(NotFound, match="no such folder"):
        boda.search(workspace, row="red 0.png", to=tmp_path / "nowhere" / "sheet.png")


def test_it_works_where_the_images_are_gone(workspace, photos):
    """Features are enough to find; the sheet shows grey tiles with the reason."""
    photos.rename(photos.with_name("moved"))
    assert len(boda.search(workspace, row="blue 1.png", k=3).hits) == 3


def test_unknown_and_quarantined_rows_are_named(workspace):
    """A misspelt key gets near ones, a quarantined one its reason."""
    with pytest.raises(NotFound, match=r"red 1\.png"):
        boda.search(workspace, row="red 1.pgn")
    with pytest.raises(Refused, match=r"broken\.jpg .*identify/not_an_image"):
        boda.search(workspace, row="broken.jpg")


def test_bad_questions_are_refused(workspace, photos, tmp_path):
    """Nothing to be like, no file, a folder, a file that is no image, k of 0."""
    for asked in ({}, {"row": []}, {"less_row": "red 0.png"}):
        with pytest.raises(Refused, match="either a row or an image"):
            boda.search(workspace, **asked)
    with pytest.raises(NotFound, match="no such file"):
        boda.search(workspace, image=tmp_path / "none.png")
    with pytest.raises(Refused, match="not a file"):
        boda.search(workspace, image=photos)
    with pytest.raises(BadImage, match=r"identify/not_an_image: broken\.jpg: begins with"):
        boda.search(workspace, image=photos / "broken.jpg")
    with pytest.raises(Refused, match="at least 1"):
        boda.search(workspace, row="red 0.png", k=0)
    with pytest.raises(NotFound, match="handmade:hog-colour"):
        boda.search(workspace, row="red 0.png", recipe="other")


def test_another_recipe_is_refused_with_both_shown(workspace, photos):
    """An encoder that makes other numbers is told apart by what differs."""

    class Other:
        recipe = replace(load_encoder("handmade:hog-colour").recipe, weights="f" * 64, name="other")

    mine = load_encoder("handmade:hog-colour").recipe.id
    with pytest.raises(Refused, match=rf"{mine}.*{Other.recipe.id}.*weights '' there, '{'f' * 64}' here"):
        boda.search(workspace, image=photos / "red 0.png", encoder=Other())


def test_an_imported_recipe_takes_no_new_image(workspace, photos, tmp_path):
    """Nobody knows how to make such features; rows are compared all the same."""
    keys = workspace.features().keys
    np.savez(tmp_path / "clip.npz", keys=np.array(list(keys)), features=np.eye(len(keys), dtype="f4"))
    recipe = boda.import_features(workspace, tmp_path / "clip.npz").recipe
    with pytest.raises(Refused, match="nobody knows how to make them: use --row"):
        boda.search(workspace, image=photos / "red 0.png", recipe=recipe)
    assert len(boda.search(workspace, row="red 1.png", recipe="clip", k=5).hits) == 5


def test_code_that_a_workspace_names_is_not_run(workspace, photos, monkeypatch):
    """`module:function` of a stranger's workspace is imported only when the user names it."""
    recipe = replace(load_encoder("handmade:hog-colour").recipe, weights="0" * 64, name="os:abort")
    with workspace.write() as writer:
        writer.add_recipe(recipe, 4)
    with pytest.raises(Refused, match="if you trust it, say --encoder os:abort"):
        boda.search(workspace, image=photos / "red 0.png", recipe=recipe)


def test_the_answer_is_plain_json(workspace):
    """Workspace, query, recipe, hits and sheet."""
    import json

    record = json.loads(json.dumps(boda.search(workspace, row="red 0.png", k=2).as_json()))
    assert record["query"] == "red 0.png"
    assert [set(hit) for hit in record["hits"]] == [{"key", "likeness"}] * 2
