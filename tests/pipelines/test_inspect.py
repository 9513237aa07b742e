"""Inspect finds what was planted, says why, decodes an image once, and says what it could not look for."""

import json
import shutil

import numpy as np
import pyarrow.csv
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

import boda
from boda.errors import Busy, NotFound, Refused
from boda.evaluation.groups import join
from boda.heads.asking import Asked
from boda.pipelines.heads.material import Plan, gather

WRONG = ("plain 03.png", "plain 10.png")
"""Labelled as what they are not."""


def drawn(seed: int, size: tuple[int, int] = (120, 96)) -> Image.Image:
    """Sharp shapes of many shades; red ones where the seed is even, blue ones where it is odd."""
    rng = np.random.default_rng(seed)
    main = 0 if seed % 2 == 0 else 2
    image = Image.new("RGB", size, tuple(int(60 + 100 * (c == main)) for c in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        left, top = rng.integers(0, size[0] - 20), rng.integers(0, size[1] - 20)
        shade = [int(v) for v in rng.integers(0, 110, 3)]
        shade[main] = int(rng.integers(130, 255))
        draw.rectangle((left, top, left + rng.integers(8, 60), top + rng.integers(8, 50)), fill=tuple(shade))
    noise = rng.normal(0, 12, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A folder with photos/, photos.boda with features made by hand, and labels.csv."""
    folder = tmp_path_factory.mktemp("planted")
    photos = folder / "photos"
    photos.mkdir()
    rows = ["file,colour,one"]
    for seed in range(40):
        name = f"plain {seed:02}.png"
        drawn(seed).save(photos / name)
        truth = ("red", "blue")[seed % 2]
        given = {"red": "blue", "blue": "red"}[truth] if name in WRONG else truth
        rows.append(f"{name},{given},same")
    shutil.copy(photos / "plain 00.png", photos / "copy of 00.png")
    drawn(1).save(photos / "jpeg of 01.jpg", quality=60)
    ImageOps.mirror(drawn(2)).save(photos / "mirror of 02.png")
    drawn(50).filter(ImageFilter.GaussianBlur(3)).save(photos / "soft.png")
    Image.fromarray(np.asarray(drawn(51)) // 8).save(photos / "dark.png")
    Image.new("RGB", (120, 96), (128, 128, 128)).save(photos / "flat a.png")
    Image.new("RGB", (120, 96), (20, 200, 20)).save(photos / "flat b.png")
    drawn(52, (30, 26)).save(photos / "tiny.png")
    drawn(53, (500, 90)).save(photos / "wide.png")
    (photos / "broken.jpg").write_bytes(b"no image at all")
    (folder / "labels.csv").write_text("\n".join(rows))
    boda.embed(photos, encoders="handmade:hog-colour", to=folder / "photos.boda")
    boda.label(folder / "photos.boda", folder / "labels.csv")
    return folder


@pytest.fixture
def there(planted, tmp_path):
    """A copy of the workspace; the photographs are where they were."""
    shutil.copytree(planted / "photos.boda", tmp_path / "photos.boda")
    return tmp_path / "photos.boda"


def keys(found, name):
    return [one.key for one in found.finding(name).images]


def test_everything_that_was_planted_is_found(there, tmp_path):
    """Copies, a compressed one, a mirror image, and poor pictures; nothing of it elsewhere; each with its reason."""
    found = boda.inspect(there, labels="colour")
    assert keys(found, "exact duplicates") == ["copy of 00.png", "plain 00.png"]
    near = {one.key: one for one in found.finding("near duplicates").images}
    assert {"jpeg of 01.jpg", "plain 01.png", "mirror of 02.png", "plain 02.png"} == set(near)
    mirror = near["plain 02.png"]
    assert (mirror.details["of"], mirror.details["mirrored"]) == ("mirror of 02.png", True)
    assert mirror.details["evidence"] in {"hash", "both"}
    assert "of 64 bits differ from the mirror image" in mirror.reason
    assert keys(found, "blurred") == ["soft.png"]
    assert keys(found, "dark") == ["dark.png"]
    assert keys(found, "low contrast")[:2] == ["flat a.png", "flat b.png"]
    assert keys(found, "tiny") == ["tiny.png"]
    assert keys(found, "odd shape") == ["wide.png"]
    assert {"flat a.png", "flat b.png"} & set(keys(found, "outliers"))
    assert set(keys(found, "label errors")[:2]) == set(WRONG)
    assert found.finding("label errors").images[0].details["suggested"] in {"red", "blue"}
    assert found.skipped == {}
    assert len(found.keys) == 49
    copies = dict(zip(found.keys, found.copies.tolist(), strict=True))
    assert copies["plain 00.png"] == copies["copy of 00.png"] != copies["plain 01.png"] == copies["jpeg of 01.jpg"]


def test_the_folder_has_a_table_a_record_sheets_and_a_page(there, tmp_path):
    """All of it beside the workspace, safe to open anywhere; a second time in its place, without sheets of the past."""
    found = boda.inspect(there)
    folder = tmp_path / "photos-inspect"
    assert found.folder == folder
    names = {one.name for one in folder.iterdir()}
    assert {"findings.csv", "findings.json", "findings.html", "near-duplicates.png", "tiny.png"} <= names
    table = pyarrow.csv.read_csv(folder / "findings.csv")
    assert table.num_rows == sum(len(one.images) for one in found.findings)
    assert table.column_names[:5] == ["finding", "group", "key", "score", "reason"]
    record = json.loads((folder / "findings.json").read_text())
    assert record == found.as_json()
    page = (folder / "findings.html").read_text()
    assert page.count("<img") >= 10
    assert 'src="http' not in page
    with Image.open(folder / "near-duplicates.png") as sheet:
        assert sheet.width > 300
    boda.inspect(there, only=("quality",))
    assert "near-duplicates.png" not in {one.name for one in folder.iterdir()}


def test_things_of_others_in_the_folder_are_left_alone(there, tmp_path):
    """What no inspection writes stays beside it, a sheet that is not ours with it; a file, or no folder, is none."""
    (tmp_path / "mine").mkdir()
    for name in ("notes.txt", "outliers.png"):
        (tmp_path / "mine" / name).write_text("mine")
    boda.inspect(there, only=("quality",), to=tmp_path / "mine")
    assert [(tmp_path / "mine" / name).read_text() for name in ("notes.txt", "outliers.png")] == ["mine", "mine"]
    assert (tmp_path / "mine" / "findings.html").is_file()
    with pytest.raises(NotFound, match="no such folder"):
        boda.inspect(there, to=tmp_path / "nowhere" / "out")
    with pytest.raises(Refused, match="is a file"):
        boda.inspect(there, to=tmp_path / "mine" / "notes.txt")
    with pytest.raises(Refused, match="is a workspace"):
        boda.inspect(there, to=there, force=True)


@pytest.mark.parametrize("name", ["findings.csv", "findings.html", "findings.json", "blurred.png"])
def test_what_was_changed_by_hand_is_not_written_over(there, tmp_path, monkeypatch, name):
    """An edited table, a picture of one's own in place of a sheet: refused before anything is computed, but by force."""
    from boda.pipelines import inspect as inspecting

    folder = boda.inspect(there, only=("quality",)).folder
    (folder / name).write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(inspecting, "collect", None)
        with pytest.raises(Refused, match=rf"{name}: is there already, and is not what boda inspect wrote.*--force"):
            boda.inspect(there, only=("quality",))
    assert (folder / name).read_text() == "mine"
    boda.inspect(there, only=("quality",), force=True)
    assert (folder / name).read_bytes() != b"mine"


def test_a_sheet_of_ones_own_stays_where_its_check_is_not_made(there):
    """Sheets of the past go only as they were written; an inspection that does not write it leaves a changed one."""
    folder = boda.inspect(there, only=("quality",)).folder
    (folder / "blurred.png").write_text("mine")
    assert (folder / "dark.png").is_file()
    boda.inspect(there, only=("outliers",))
    assert (folder / "blurred.png").read_text() == "mine"
    assert {one.name for one in folder.glob("*.png")} <= {"blurred.png", "outliers.png"}


def test_a_refusal_leaves_no_folder(there, tmp_path):
    """Neither beside the workspace nor where it was asked for."""
    for asked in ({"labels": "hue"}, {"only": ("looks",)}, {"labels": "hue", "to": tmp_path / "out"}):
        with pytest.raises((Refused, NotFound)):
            boda.inspect(there, **asked)
    assert not (tmp_path / "photos-inspect").exists() and not (tmp_path / "out").exists()


def test_what_was_stopped_is_done_again(there, tmp_path, monkeypatch):
    """Sheets of an inspection that did not come to its end are no other's things, nor is a file that was being written."""
    from boda.pipelines import output_folder

    def stopped(place, write, whole=output_folder.write_whole):
        if place.name == "findings.html":
            raise KeyboardInterrupt
        whole(place, write)

    with monkeypatch.context() as patch:
        patch.setattr(output_folder, "write_whole", stopped)
        with pytest.raises(KeyboardInterrupt):
            boda.inspect(there)
    folder = tmp_path / "photos-inspect"
    assert (folder / "near-duplicates.png").is_file() and not (folder / "findings.html").exists()
    (folder / ".0123456789abcdef.part").write_bytes(b"half")
    found = boda.inspect(there, only=("quality",))
    assert found.page.is_file()
    assert "near-duplicates.png" not in {one.name for one in folder.iterdir()}


def test_an_image_is_decoded_once(there, monkeypatch):
    """The second inspection has all facts, finds the same, and does not need the images; other rules measure anew."""
    from boda.pipelines.health import measuring

    first = boda.inspect(there, only=("duplicates", "quality"))
    assert first.decoded == 48
    monkeypatch.setattr(measuring, "decoded", None)
    second = boda.inspect(there, only=("duplicates", "quality"))
    assert second.decoded == 0
    assert [one.as_json() for one in first.findings] == [one.as_json() for one in second.findings]
    monkeypatch.setattr(measuring, "RULES", 0)
    with pytest.raises(TypeError):
        boda.inspect(there, only=("quality",))


def moved(planted, there, tmp_path):
    """The workspace with a source that is not there."""
    from boda.workspace.workspace import open_workspace

    workspace = open_workspace(there)
    with workspace.write() as writer:
        writer.set_source({"kind": "folder", "root": str(tmp_path / "gone")})
    return workspace


def test_without_the_images_features_and_sizes_are_looked_at(planted, there, tmp_path):
    """Pixels are skipped in words, sheets show why; sizes are known all the same."""
    found = boda.inspect(moved(planted, there, tmp_path))
    assert (
        "the pixels were not looked at: 48 images could not be looked at, the first: read/" in found.skipped["pixels"]
    )
    assert {one.name for one in found.findings} == {
        *("exact duplicates", "near duplicates", "look-alikes", "outliers", "tiny", "odd shape")
    }
    assert keys(found, "tiny") == ["tiny.png"]
    assert found.finding("near duplicates").images == ()
    assert len(np.unique(found.copies)) == len(found.keys) - 1
    assert found.page.is_file()


def test_facts_that_are_kept_serve_without_the_images(planted, there, tmp_path):
    """Measured once, moved away after."""
    first = boda.inspect(there, only=("quality",))
    second = boda.inspect(moved(planted, there, tmp_path), only=("quality",))
    assert [one.as_json() for one in first.findings] == [one.as_json() for one in second.findings]


def test_facts_of_other_bytes_are_not_taken(there, planted, tmp_path):
    """A file that has changed since it was embedded is not judged by its pixels, and that is said."""
    photos = tmp_path / "photos"
    shutil.copytree(planted / "photos", photos)
    drawn(99).filter(ImageFilter.GaussianBlur(4)).save(photos / "plain 05.png")
    (photos / "plain 06.png").unlink()
    from boda.workspace.workspace import open_workspace

    workspace = open_workspace(there)
    with workspace.write() as writer:
        writer.set_source({**workspace.source, "root": str(photos)})
    found = boda.inspect(workspace, only=("quality",))
    assert "plain 05.png" not in keys(found, "blurred")
    notes = " ".join(found.finding("blurred").notes)
    assert "1 file has changed since it was embedded" in notes
    assert "1 image could not be looked at" in notes
    page = found.page.read_text("utf-8")
    assert "No such file" in notes and all(note[1:] in page for note in found.finding("blurred").notes)
    assert found.finding("blurred").judged == 49 - 2 - 2  # two files, and the two flat pictures


def test_bad_questions_are_refused(there):
    """No such check, labels without a column, a column that is left out, one that is not there, one of one class."""
    for asked, words in (
        ({"only": ("looks",)}, "no check 'looks'"),
        ({"only": ("labels",)}, "--labels"),
        ({"only": ("quality",), "labels": "colour"}, "leave one of them away"),
        ({"labels": "one"}, "nothing to learn"),
        ({"labels": "hue"}, "no column 'hue'"),
        ({"recipe": "clip"}, "no features of recipe 'clip'"),
    ):
        with pytest.raises((Refused, NotFound), match=words):
            boda.inspect(there, **asked)
    from boda.workspace.workspace import open_workspace

    with open_workspace(there).write(), pytest.raises(Busy):
        boda.inspect(there)


def test_few_images_and_none(tmp_path, planted):
    """One image: nothing is unusual, and that is said, or refused where it was asked for; no image is refused."""
    (tmp_path / "photos").mkdir()
    shutil.copy(planted / "photos" / "plain 00.png", tmp_path / "photos")
    workspace = boda.embed(tmp_path / "photos", encoders="handmade:hog-colour", to=tmp_path / "one.boda")
    found = boda.inspect(workspace)
    assert "1 image is too few" in found.skipped["outliers"]
    assert not any(one.images for one in found.findings)
    with pytest.raises(Refused, match="too few"):
        boda.inspect(workspace, only=("outliers",))
    from boda.workspace.workspace import create_workspace

    with pytest.raises(Refused, match="no image to inspect"):
        boda.inspect(create_workspace(tmp_path / "empty.boda"))


def test_copies_are_on_one_side_of_every_fold(there):
    """Whatever evidence made a group, training keeps it whole; one that only hashes know, once it was inspected."""
    plan = Plan(Asked("colour", kind="class"), ())
    from boda.workspace.workspace import open_workspace

    workspace = open_workspace(there)
    rows = ["file,side"] + [f"{key},{'ab'[place % 2]}" for place, key in enumerate(sorted(workspace.keys()))]
    (there.parent / "sides.csv").write_text("\n".join(rows))
    boda.label(workspace, there.parent / "sides.csv")
    plan = Plan(Asked("side", kind="class"), ())
    found = boda.inspect(workspace)
    number = dict(zip(found.keys, found.copies.tolist(), strict=True))
    material = gather(workspace, plan)
    groups = np.array([number[key] for key in material.assembled.keys])
    assert len(np.unique(groups)) <= len(groups) - 3
    np.testing.assert_array_equal(join(material.copies, groups), join(material.copies))
    folds = material.split(material.groups)
    for group in np.unique(groups):
        assert len(np.unique(folds[groups == group])) == 1


def test_findings_are_kept_by_check(there):
    """Each check is a result of its own, with its counts; the workspace is whole."""
    from boda.workspace.workspace import open_workspace

    boda.inspect(there)
    workspace = open_workspace(there)
    kept = {one.name: one.summary for one in workspace.results("inspection")}
    assert set(kept) == {"pixels", "duplicates", "outliers", "quality"}
    assert kept["duplicates"]["images"] == 49
    assert kept["duplicates"]["found"].startswith("2 exact duplicates, 4 near duplicates")
    record = json.loads(workspace.result("inspection", "quality")["findings.json"])
    assert record["recipes"][0]["name"] == "handmade:hog-colour"
    assert boda.doctor(there, deep=True).damage == ()


def test_digits_that_somebody_wrote_are_no_copies(tmp_path):
    """Of zeros and ones only the one that was saved again is a copy."""
    from sklearn.datasets import load_digits

    photos, data = tmp_path / "photos", load_digits()
    photos.mkdir()
    zeros, ones = (np.flatnonzero(data.target == digit)[:10] for digit in (0, 1))
    for row in [*zeros, *ones]:
        digit = Image.fromarray(np.pad(np.rint(data.images[row] * 15.9).astype(np.uint8), 2))
        digit.resize((96, 96), Image.Resampling.BICUBIC).save(photos / f"{data.target[row]} {row:03}.png")
    first = next(photos.glob(f"0 {zeros[0]:03}.png"))
    with Image.open(first) as again:
        again.save(photos / "0 again.jpg", quality=40)
    workspace = boda.embed(photos, encoders="handmade:hog-colour", to=tmp_path / "photos.boda")
    found = boda.inspect(workspace, only=("duplicates",))
    assert set(keys(found, "near duplicates")) == {"0 again.jpg", first.name}
    assert len(np.unique(found.copies)) == len(found.keys) - 1
