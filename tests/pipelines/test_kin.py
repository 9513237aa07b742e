"""What is too much like the training rows of a head is kin to it, and no test of it."""

import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor

import boda
from boda.errors import Damaged
from boda.pipelines.heads import material
from making import make_workspace
from synthetic import relabel, synthetic_workspace


@pytest.fixture
def clinic():
    """160 photographs of 40 patients, who are known by their features, and y that is a matter of the patient alone."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 4)
    x = rng.normal(size=(40, 20))[patient] + 0.1 * rng.normal(size=(160, 20))
    y = rng.normal(size=40)[patient]
    return x, y, [f"p{one}" for one in patient]


def halves(tmp_path, clinic, known=80):
    """A workspace of every other photograph of the first patients, `known` in all, and one of all others."""
    x, y, patient = clinic
    learned = (np.arange(160) % 2 == 0) & (np.arange(160) < 2 * known)
    found = []
    for name, rows in (("old", learned), ("new", ~learned)):
        places = np.flatnonzero(rows)
        columns = {"y": y[rows].tolist(), "patient": [patient[row] for row in places]}
        files = {row: int(place) for row, place in enumerate(places)}
        found.append(synthetic_workspace(tmp_path / f"{name}.boda", {"f": x[rows]}, columns, same_file=files))
    return found


def test_new_photographs_of_a_known_patient_are_kin(tmp_path, clinic):
    """They flatter: what was learned is the patient. Only those of other patients are unseen."""
    old, new = halves(tmp_path, clinic, known=60)
    head = boda.train(old, "y", page=False)
    assert head.evaluation["folds"]["by"] == "patient"
    found = boda.evaluate(new, head)
    assert (found.trained_on, found.kin["rows"], found.unseen["rows"]) == (0, 60, 40)
    assert (found.kin["of_group"], found.kin["copies"]) == (60, 0)
    patient = new.frame()["patient"].to_pylist()
    kin = np.array([int(one[1:]) < 30 for one in patient])
    said = np.array(boda.predict(new.path, head=head).table()["prediction"].to_pylist())
    truth = np.array(new.frame()["y"].to_pylist())
    for rows, record in ((kin, found.kin), (~kin, found.unseen)):
        assert record["metrics"]["mae"]["value"] == pytest.approx(np.abs(said - truth)[rows].mean())
        dummy = DummyRegressor().fit(said[rows, None], truth[rows]).predict(said[rows, None])
        for name, metric in (
            ("mae", metrics.mean_absolute_error),
            ("rmse", metrics.root_mean_squared_error),
            ("r2", metrics.r2_score),
        ):
            assert record["metrics"][name]["baseline"] == pytest.approx(metric(truth[rows], dummy), abs=1e-12)
    assert found.kin["metrics"]["spearman"]["value"] > found.unseen["metrics"]["spearman"]["value"] + 0.2
    json.dumps(found.as_json(), allow_nan=False)


def test_groups_outlive_the_folder_and_heads_without_them_have_none(tmp_path, clinic):
    """`rows.parquet` has a column `group` only where the head was trained by one."""
    old, _ = halves(tmp_path, clinic)
    grouped = boda.train(old, "y", page=False, to=tmp_path / "grouped")
    table = pq.read_table(tmp_path / "grouped" / "rows.parquet")
    patients = dict(zip(old.frame()["key"].to_pylist(), old.frame()["patient"].to_pylist(), strict=True))
    assert table["group"].to_pylist() == [patients[key] for key in table["key"].to_pylist()]
    assert boda.pipelines.heads.keeping.load_head(tmp_path / "grouped").trained.groups == grouped.trained.groups
    relabel(old, y=old.frame()["y"].to_pylist())
    plain = boda.train(old, "y", page=False, to=tmp_path / "plain")
    assert plain.trained.groups is None
    assert "group" not in pq.read_table(tmp_path / "plain" / "rows.parquet").column_names


def rewritten(folder, change):
    """A head whose table of rows is another, and whose description vouches for it."""
    file = io.BytesIO()
    pq.write_table(change(pq.read_table(folder / "rows.parquet")), file)
    (folder / "rows.parquet").write_bytes(file.getvalue())
    record = json.loads((folder / "head.json").read_text())
    record["files"]["rows.parquet"] = hashlib.sha256(file.getvalue()).hexdigest()
    (folder / "head.json").write_text(json.dumps(record))
    return folder


def test_an_older_head_knows_the_groups_of_training_rows_that_are_here(tmp_path, clinic):
    """It loads; what its groups were elsewhere it cannot know, and says so."""
    x, y, patient = clinic
    every = synthetic_workspace(
        tmp_path / "every.boda",
        {"f": x},
        {"y": [one if row % 2 else None for row, one in enumerate(y)], "patient": patient},
    )
    boda.train(every, "y", page=False, to=tmp_path / "head")
    old = rewritten(tmp_path / "head", lambda table: table.drop_columns(["group"]))
    relabel(every, y=y.tolist(), patient=patient)
    found = boda.evaluate(every, old)
    assert (found.trained_on, found.unseen, found.kin["of_group"]) == (80, None, 80)
    assert not any("groups" in warning for warning in found.warnings)
    far = synthetic_workspace(
        tmp_path / "far.boda", {"f": x[:20]}, {"y": y[:20].tolist(), "patient": patient[:20]},
        same_file={row: 900 + row for row in range(20)},
    )  # fmt: skip
    found = boda.evaluate(far, old)
    assert (found.kin, found.unseen["rows"]) == (None, 20)
    assert any("does not say which groups of 'patient'" in warning for warning in found.warnings)


def test_a_group_that_is_no_text_is_damaged(tmp_path, clinic):
    """Whatever a stranger wrote there."""
    old, _ = halves(tmp_path, clinic)
    boda.train(old, "y", page=False, to=tmp_path / "head")
    rewritten(
        tmp_path / "head",
        lambda table: table.drop_columns(["group"]).append_column("group", pa.array([[1]] * table.num_rows)),
    )
    with pytest.raises(Damaged, match="group"):
        boda.evaluate(old, tmp_path / "head")


def test_what_cannot_be_looked_for_is_said(tmp_path, clinic, monkeypatch):
    """No column of groups, training rows elsewhere, narrow features, too many rows, no rows at all."""
    x, y, _ = clinic
    old, _ = halves(tmp_path, clinic)
    head = boda.train(old, "y", page=False, to=tmp_path / "head")
    bare = synthetic_workspace(
        tmp_path / "bare.boda", {"f": x}, {"y": y.tolist()}, same_file={row: row for row in range(160)}
    )
    found = boda.evaluate(bare, head)
    assert (found.trained_on, found.unseen["rows"], found.kin) == (80, 80, None)
    assert len(found.warnings) == 2
    assert found.warnings[0].startswith("there is no column 'patient' here")
    assert found.warnings[1].endswith("no features are 64 wide or more")
    monkeypatch.setattr(material, "_WIDE", 8)
    assert len(boda.evaluate(bare, head).warnings) == 1
    monkeypatch.setattr(material, "LIMIT", 100)
    assert boda.evaluate(bare, head).warnings[1].endswith("more than 100 images")
    (tmp_path / "head" / "rows.parquet").unlink()
    record = json.loads((tmp_path / "head" / "head.json").read_text())
    del record["files"]["rows.parquet"]
    (tmp_path / "head" / "head.json").write_text(json.dumps(record))
    found = boda.evaluate(bare, tmp_path / "head")
    assert (found.trained_on, found.kin, found.unseen, found.unknown["rows"]) == (None, None, None, 160)
    assert found.warnings == ("it came without its rows: any of these may be among them, or kin to them",)


def pictures(folder, numbers):
    """Pictures of soft colours, each quite another one."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        colours = np.random.default_rng(number).integers(0, 256, (5, 5, 3)).astype(np.uint8)
        Image.fromarray(colours).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{number:03}.png")
    return folder


def test_a_picture_that_was_saved_again_is_kin(tmp_path):
    """A JPEG of a training picture is found by its features, also where the picture has no label any more."""
    old = make_workspace(tmp_path / "old.boda", pictures(tmp_path / "old", range(40)))
    rng = np.random.default_rng(1)
    relabel(old, warm=np.where(rng.random(40) < 0.5, "yes", "no").tolist())
    head = boda.train(old, "warm", page=False, folds=3)
    folder = pictures(tmp_path / "all", range(60))
    for number in (3, 5, 8):
        Image.open(folder / f"{number:03}.png").save(folder / f"{number:03} again.jpg", quality=80)
    new = make_workspace(tmp_path / "new.boda", folder)
    names = sorted(new.frame()["key"].to_pylist())
    said = [None if name < "040" and name.endswith("png") else rng.choice(["yes", "no"]) for name in names]
    relabel(new, warm=said)
    found = boda.evaluate(new, head)
    assert (found.trained_on, found.kin["rows"], found.unseen["rows"], found.warnings) == (0, 3, 20, ())
    assert (found.kin["of_group"], found.kin["copies"]) == (0, 3)
    truth = np.array([one for name, one in zip(names, said, strict=True) if name >= "040"])
    dummy = DummyClassifier(strategy="prior").fit(truth[:, None], truth)
    expected = metrics.log_loss(truth, dummy.predict_proba(truth[:, None]))
    assert found.unseen["metrics"]["log_loss"]["baseline"] == pytest.approx(expected)
    assert found.unseen["metrics"]["accuracy"]["baseline"] == pytest.approx(dummy.score(truth[:, None], truth))
    few = make_workspace(tmp_path / "few.boda", pictures(tmp_path / "few", range(30, 60)))
    relabel(few, warm=rng.choice(["yes", "no"], 30).tolist())
    found = boda.evaluate(few, head)
    assert (found.trained_on, found.kin, found.unseen["rows"]) == (10, None, 20)
    (warning,) = found.warnings
    assert warning.startswith("30 of the 40 rows it was trained on are not in this workspace")


def test_a_copy_of_a_new_picture_of_a_known_patient_is_kin_too(tmp_path):
    """Nobody said whose picture it is, but its features do; a stranger's picture without a patient is new."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(64, 80))
    x[62] = x[60] + 0.01 * rng.normal(size=80)
    patient = [f"p{row // 4}" for row in range(60)] + ["p3", "p99", None, None]
    y = rng.normal(size=64)
    workspace = synthetic_workspace(
        tmp_path / "w.boda", {"f": x}, {"y": [*y[:60].tolist(), *[None] * 4], "patient": patient}
    )
    head = boda.train(workspace, "y", page=False)
    relabel(workspace, y=y.tolist(), patient=patient)
    found = boda.evaluate(workspace, head)
    assert (found.trained_on, found.kin["of_group"], found.kin["copies"]) == (60, 1, 1)
    assert found.unseen["rows"] == 2


def test_kin_are_what_all_likenesses_at_once_show(tmp_path):
    """Against plain cosines of centred features, on rows that are more or less alike."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(150, 90))
    x[100:] = x[:50] + np.linspace(0.1, 1.2, 50)[:, None] * rng.normal(size=(50, 90))
    y = rng.normal(size=150)
    workspace = synthetic_workspace(tmp_path / "w.boda", {"f": x}, {"y": [*y[:80].tolist(), *[None] * 70]})
    head = boda.train(workspace, "y", page=False)
    assert len(set(head.trained.folds.tolist())) == 5
    relabel(workspace, y=[None if row % 2 else one for row, one in enumerate(y)])
    looked_at = np.r_[np.arange(80), np.arange(80, 150, 2)]
    off = x[looked_at].astype(np.float32) - x[looked_at].astype(np.float32).mean(axis=0)
    off /= np.linalg.norm(off, axis=1, keepdims=True)
    expected = ((off @ off.T)[80:, :80] >= 0.9).any(axis=1).sum()
    assert 3 < expected < 20
    found = boda.evaluate(workspace, head)
    assert (found.trained_on, found.kin["copies"], found.unseen["rows"]) == (40, expected, 35 - expected)


def test_a_house_that_is_known_or_shares_a_photograph_is_kin(tmp_path):
    """A known house with another photograph, and another house with a photograph of a known one."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(70, 3))
    house = [str(row // 2) for row in range(60)] + ["7", *["new"] * 2, *["other"] * 2, *["fresh"] * 5]
    y = np.array([float(one) if one.isdigit() else 1.5 for one in house])
    workspace = synthetic_workspace(
        tmp_path / "w.boda",
        {"f": x},
        {"y": [*y[:60].tolist(), *[None] * 10], "house": [*house[:60], *[None] * 10]},
        same_file={61: 10},
    )
    head = boda.train(workspace, "y", unit="house", page=False)
    relabel(workspace, y=y.tolist(), house=house)
    found = boda.evaluate(workspace, head)
    assert (found.trained_on, found.kin["of_group"], found.kin["copies"], found.unseen["rows"]) == (29, 1, 1, 2)


def test_a_known_patient_in_any_photograph_makes_a_house_kin(tmp_path):
    """Groups of units are those of all their images; training rows keep the unit's."""
    rng = np.random.default_rng(5)
    house = [str(row // 2) for row in range(68)]
    scene = [f"s{row // 4}" for row in range(60)] + ["a", "s2", "a", "b", None, None, "b", "b"]
    y = [float(row // 2) for row in range(60)]
    workspace = synthetic_workspace(
        tmp_path / "w.boda", {"f": rng.normal(size=(68, 3))}, {"y": y + [None] * 8, "house": house, "scene": scene}
    )
    head = boda.train(workspace, "y", unit="house", page=False)
    assert head.trained.groups == tuple(f"s{number // 2}" for number in range(30))
    relabel(workspace, y=[*y, *np.repeat(np.arange(30.0, 34.0), 2)], house=house, scene=scene)
    found = boda.evaluate(workspace, head)
    assert (found.trained_on, found.kin["of_group"], found.unseen["rows"]) == (30, 1, 3)


def test_copies_among_new_rows_are_one_draw(tmp_path):
    """Each new picture three times, slightly changed: the interval is that of as many pictures, not of as many files."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 80))
    y = x[:, 0] + rng.normal(size=120)
    old = synthetic_workspace(tmp_path / "old.boda", {"f": x[:60]}, {"y": y[:60].tolist()})
    head = boda.train(old, "y", page=False)
    thrice = np.repeat(x[60:], 3, axis=0) + 0.01 * rng.normal(size=(180, 80))
    labels = np.repeat(y[60:], 3)
    names = {row: 1_000 + row for row in range(180)}
    new = synthetic_workspace(tmp_path / "new.boda", {"f": thrice}, {"y": labels.tolist()}, same_file=names)
    once = synthetic_workspace(
        tmp_path / "once.boda", {"f": x[60:]}, {"y": y[60:].tolist()}, same_file={row: 1_000 + row for row in range(60)}
    )
    found, expected = (boda.evaluate(one, head).unseen["metrics"]["mae"] for one in (new, once))
    width = [one["high"] - one["low"] for one in (found, expected)]
    assert found["value"] == pytest.approx(expected["value"], rel=0.05)
    assert width[0] == pytest.approx(width[1], rel=0.15)
