"""`boda.finetune`: an encoder learns a target itself, and is compared with itself as it was."""

import csv
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import NotFound, Refused
from boda.pipelines.finetune import primary_row
from tunable import encoder_of, make_tunable

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from boda.pipelines.networks import running, tuning  # noqa: E402
from boda.pipelines.networks.folder import RunFolder  # noqa: E402
from boda.training import checkpoint  # noqa: E402

TINY = {"epochs": 1, "batch": 8}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """32 images with labels of every kind, a network, and a workspace of both."""
    return make_tunable(tmp_path_factory.mktemp("finetune"))


def tune(place: Path, target: str = "class", **more):
    """Two folds, one epoch, unless something else is asked for."""
    asked = {"encoder": encoder_of(place), "folds": 2, "settings": TINY, "workers": 1, "device": "cpu"} | more
    return boda.finetune(place / "w.boda", target, **asked)


def split_of(run: Path) -> dict[str, set[str]]:
    """Keys of a run by what they were for."""
    with (run / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {part: {row["key"] for row in rows if row["part"] == part} for part in ("training", "validation")}


def pixels_of(place: Path) -> np.ndarray:
    """All images in the order of the listing."""
    return np.stack([np.asarray(Image.open(file)) for file in sorted((place / "images").glob("*/*.png"))])


@pytest.fixture(scope="module")
def tuned(place):
    """A class, learned with all of the network."""
    return tune(place, to=place / "tuned", settings={"epochs": 2, "batch": 8})


def test_the_gain_has_a_paired_interval(place, tuned):
    """Both are measured on the same folds; seconds of both; every metric with intervals."""
    row = primary_row(tuned.comparison)
    assert tuned.comparison["metric"] == "auc"
    assert {row["name"] for row in tuned.comparison["metrics"]} >= {"auc", "accuracy", "log_loss"}
    assert tuned.gain["value"] == pytest.approx(row["tuned"]["value"] - row["frozen"]["value"])
    assert tuned.gain["low"] <= tuned.gain["value"] <= tuned.gain["high"]
    loss = next(row for row in tuned.comparison["metrics"] if row["name"] == "log_loss")
    assert loss["gain"]["value"] == pytest.approx(loss["frozen"]["value"] - loss["tuned"]["value"])
    assert tuned.comparison["seconds"].keys() == {"frozen", "tuned"}
    assert tuned.comparison["seconds"]["tuned"] > 0
    assert json.loads((tuned.folder / "comparison.json").read_text()) == tuned.comparison
    features = encoder_of(place).recipe.id
    head = boda.train(place / "w.boda", "class", inputs=[features], folds=2, page=False, name="frozen")
    assert row["frozen"]["value"] == pytest.approx(head.evaluation["metrics"]["auc"]["value"])


def test_a_network_sees_only_the_training_rows_of_its_fold(place, tuned):
    """Training, validation and held-out rows of a fold share nothing, and together are all rows."""
    every = {key for part in split_of(tuned.folder).values() for key in part}
    assert len(every) == 32 == tuned.rows
    held = []
    for fold in (1, 2):
        parts = split_of(tuned.folder / f"fold-{fold}")
        assert not parts["training"] & parts["validation"]
        assert len(parts["validation"]) <= 4
        held.append(every - parts["training"] - parts["validation"])
    assert not held[0] & held[1]
    assert held[0] | held[1] == every


def test_what_is_kept_says_what_the_run_says(place, tuned):
    """The scores of the kept encoder and of its head are those of the network that was trained; and it embeds."""
    encoder = boda.load_encoder(tuned.encoder)
    assert encoder.class_names == ("over", "under")
    assert (encoder.width, encoder.recipe.architecture) == (64, "resnet:resnet20")
    pixels = pixels_of(place)
    state = load_file(tuned.folder / "network.safetensors")
    features = encoder(pixels)
    mean, scale = (state[f"head.{name}"].numpy() for name in ("mean", "scale"))
    expected = ((features - mean) / scale) @ state["head.linear.weight"].numpy().T + state["head.linear.bias"].numpy()
    np.testing.assert_allclose(encoder.logits(pixels), expected, atol=1e-4)
    workspace = boda.embed(place / "images", encoders=[encoder], to=place / "w.boda", workers=1)
    said = boda.predict(workspace, head=tuned.head)
    assert said.head.evaluation["metrics"]["auc"]["value"] == primary_row(tuned.comparison)["tuned"]["value"]
    outputs = said.head.outputs(_inputs(said.head, features))
    np.testing.assert_allclose(outputs, expected, atol=1e-4)
    assert said.trained_on.all()
    with (tuned.folder / "history.csv").open(newline="") as file:
        rows = {int(row["epoch"]): float(row["validation_loss"]) for row in csv.DictReader(file)}
    if tuned.epoch:
        names = sorted(split_of(tuned.folder)["validation"])
        at = [
            sorted(f"{file.parent.name}/{file.name}" for file in (place / "images").glob("*/*.png")).index(n)
            for n in names
        ]
        logs = torch.log_softmax(torch.from_numpy(encoder.logits(pixels[at])), 1)
        truth = torch.tensor([("over", "under").index(name.partition("/")[0]) for name in names])
        assert rows[tuned.epoch] == pytest.approx(-logs[range(len(at)), truth].mean().item(), abs=1e-4)


def _inputs(head, features):
    from boda.heads.inputs import FeatureInput, Inputs

    return Inputs((FeatureInput(head.wanted[0].name, head.recipes[0].id, features),))


def test_training_begins_where_a_linear_head_ends(place, tmp_path):
    """With a rate that moves nothing, and everything frozen, tuned networks are heads of `boda train`."""
    from boda.heads.asking import Asked
    from boda.heads.crossfit import outputs_of
    from boda.pipelines.heads.material import Plan, gather

    encoder = encoder_of(place)
    how = {"epochs": 1, "batch": 8, "lr": 1e-12, "weight_decay": 0.0}
    tune(place, encoder=encoder, freeze=1.0, settings=how, to=tmp_path / "run")
    material = gather(boda.open(place / "w.boda"), Plan(Asked("class"), (encoder.recipe.id,), folds=2))
    folds = material.split(material.groups)
    learned = split_of(tmp_path / "run" / "fold-1")["training"]
    rows = np.array([row for row, key in enumerate(material.assembled.keys) if key in learned])
    preparation, model = tuning._linear_head(material, rows, 0)
    away = np.flatnonzero(folds == 0)
    expected = outputs_of(model, preparation.design(material.inputs.take(away)))
    said = checkpoint.load(tmp_path / "run" / "fold-1", "held-out").tensors["outputs"].numpy()
    np.testing.assert_allclose(said, expected, atol=1e-4)


def test_frozen_layers_keep_weights_and_statistics_to_the_bit(place, tmp_path):
    """Batch norms of frozen parts stay in eval mode; those of the rest learn, and so do the weights."""
    how = {"freeze": "conv1,bn1,layer1,layer2.0", "norms": "learned", "settings": TINY | {"lr": 0.01}}
    found = tune(place, folds=0, to=tmp_path / "run", **how)
    resting = tuple(f"{one}." for one in ("conv1", "bn1", "layer1", "layer2.0"))
    assert {name.startswith(resting) for name in changed(place, found.folder)} == {False}
    assert len([*changed(place, found.folder, same=True)]) == len(
        [name for name in changed(place, found.folder, same=None) if name.startswith(resting)]
    )


def test_statistics_of_norms_are_kept_unless_they_are_to_be_learned(place, tmp_path):
    """Weights learn everywhere, running means and variances nowhere."""
    found = tune(place, folds=0, to=tmp_path / "run", settings=TINY | {"lr": 0.01})
    still = set(changed(place, found.folder, same=True))
    assert still == {name for name in changed(place, found.folder, same=None) if ".running_" in f".{name}"}
    with pytest.raises(Refused, match="norms is 'frozen'; it can be kept, learned"):
        tune(place, norms="frozen", to=tmp_path / "other")


def test_what_no_fold_tested_is_not_tested_by_its_own_rows(place, tmp_path):
    """Without folds a head still knows the rows that it was trained on, so these test nothing later either."""
    found = tune(place, folds=0, to=tmp_path / "run")
    boda.embed(place / "images", encoders=[found.encoder], to=place / "w.boda", workers=1)
    with pytest.raises(Refused, match="all 32 labelled images were used to train this head"):
        boda.evaluate(place / "w.boda", tmp_path / "run" / "head")
    assert (
        boda.predict(place / "w.boda", head=tmp_path / "run" / "head").table()["trained_on"].to_pylist() == [True] * 32
    )


def changed(place: Path, run: Path, *, same: bool | None = False) -> list[str]:
    """Tensors of the encoder that are not what they were; or that are; or all. Counters of steps do not count."""
    before = load_file(place / "net.safetensors")
    last = checkpoint.load(run, "last").tensors
    of_encoder = {
        name.removeprefix("network/encoder."): tensor
        for name, tensor in last.items()
        if name.startswith("network/encoder.") and not name.endswith("num_batches_tracked")
    }
    return [name for name, tensor in of_encoder.items() if same in {None, torch.equal(tensor, before[name])}]


def test_the_encoder_of_the_user_stays_as_it_is(place, tmp_path):
    """Weights, mode, gradients and features."""
    encoder = encoder_of(place)
    pixels = pixels_of(place)[:4]
    before = encoder(pixels)
    tune(place, encoder=encoder, folds=0, to=tmp_path / "run", settings=TINY | {"lr": 0.1})
    np.testing.assert_array_equal(encoder(pixels), before)
    module = encoder._running.network.module
    assert not any(part.training for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_run_that_was_stopped_in_a_fold_ends_with_the_same_bits(place, tmp_path, monkeypatch):
    """Stopped after every fourth step, in folds and in the last network; augmented, with a learning rate that moves."""
    how = {"settings": {"epochs": 2, "batch": 8, "augmentation": "flip"}, "freeze": "conv1"}
    tune(place, to=tmp_path / "whole", **how)
    steps = [0]

    def stopping(progress):
        def told(state, all_steps):
            steps[0] += 1
            if steps[0] % 4 == 0:
                os.kill(os.getpid(), signal.SIGINT)

        return told

    monkeypatch.setattr(running, "_told", stopping)
    stops = 0
    while True:
        try:
            tune(place, to=tmp_path / "stopped", **how)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops >= 3
    for part in ("", "fold-1", "fold-2"):
        one, other = (checkpoint.load(tmp_path / run / part, "last").tensors for run in ("whole", "stopped"))
        assert one.keys() == other.keys()
        for name, tensor in one.items():
            assert name.startswith("generator/") or torch.equal(tensor, other[name]), name
        kept = [(tmp_path / run / part / "network.safetensors").read_bytes() for run in ("whole", "stopped")]
        assert kept[0] == kept[1]
    one, other = (json.loads((tmp_path / run / "comparison.json").read_text()) for run in ("whole", "stopped"))
    assert one["metrics"] == other["metrics"]


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("bright", {"inputs": ["noise", "sheet:category"], "target_kind": "number"}),
        ("count_*", {}),
        ("votes", {"tree": "tree.toml"}),
    ],
    ids=["number and columns", "ratings", "votes"],
)
def test_every_target_is_learned_compared_and_predicted(place, tmp_path, target, more):
    """Out-of-fold outputs of the target's own form, and a head that says it of new images."""
    if "tree" in more:
        more = {"tree": str(place / more["tree"])}
    found = tune(place, target, to=tmp_path / "run", **more)
    outputs = checkpoint.load(tmp_path / "run" / "fold-1", "held-out").tensors["outputs"]
    widths = {"bright": 1, "count_*": 2, "votes": 4}
    assert outputs.shape == (16, widths[target])
    assert np.isfinite(found.gain["value"])
    assert primary_row(found.comparison)["frozen"].keys() >= {"value", "low", "high"}
    if target == "votes":
        assert (outputs > 0).all()
        assert found.plan.outputs == 6
    if more.get("inputs"):
        assert found.plan.columns == 12
        said = boda.predict(_embedded(place, found), head=found.head).answers.points
        truth = [float(line.split(",")[1]) for line in (place / "table.csv").read_text().split("\n")[1:]]
        assert 20 < said.mean() < 120 and len(said) == len(truth)
        return
    (row,) = boda.predict([place / "images" / "over" / "01.png"], head=found.head).as_json()["predictions"]
    assert row["prediction"] is not None and row["trained_on"]


def _embedded(place, found):
    return boda.embed(place / "images", encoders=[boda.load_encoder(found.encoder)], to=place / "w.boda", workers=1)


def test_groups_stay_on_one_side_everywhere(place, tmp_path):
    """Of training, validation and held-out rows."""
    found = tune(place, groups="sheet", to=tmp_path / "run")
    lines = (place / "table.csv").read_text().split("\n")[1:]
    sheet = {line.split(",")[0]: line.split(",")[3] for line in lines}
    assert found.comparison["folds"]["by"] == "sheet"
    for fold in ("fold-1", "fold-2"):
        parts = split_of(tmp_path / "run" / fold)
        sides = [*parts.values(), sheet.keys() - parts["training"] - parts["validation"]]
        told = [{sheet[key] for key in side} for side in sides]
        assert sum(map(len, told)) == len(set().union(*told)) == 11


def test_a_network_of_timm_is_tuned_and_made_again(place, tmp_path):
    """A transformer, by its name and a file; features are made where there were none; the run loads without the file."""
    from boda.encoders import timm_models

    torch.manual_seed(1)
    weights = tmp_path / "vit.safetensors"
    save_file(timm_models.remade("test_vit", {}, (160, 160)).module.state_dict(), weights)
    found = tune(
        place, encoder="timm:test_vit?qkv_bias=true", weights=weights, folds=0, to=tmp_path / "run",
        settings={"epochs": 1, "batch": 16, "augmentation": "inception"}, freeze=0.5,
    )  # fmt: skip
    weights.unlink()
    assert found.comparison is None and found.gain is None
    encoder = boda.load_encoder(found.encoder)
    assert (encoder.recipe.architecture, encoder.width) == ("timm:test_vit", 64)
    assert encoder.recipe.arguments["qkv_bias"] is True
    again = tune(place, encoder=found.encoder, folds=0, to=tmp_path / "again")
    assert again.plan.architecture == "timm:test_vit"
    head = boda.predict([place / "images" / "over" / "01.png"], head=found.head)
    assert head.trained_on.all()
    assert head.head.evaluation == {}


def test_runs_of_the_current_folder_are_listed(place, tuned, tmp_path, monkeypatch):
    """One level deep, by the name that loads them; one that is damaged is a line that says so."""
    monkeypatch.chdir(place)
    (place / "broken").mkdir(exist_ok=True)
    (place / "broken" / "network.json").write_text("{")
    listed = {one.name: one for one in boda.list_encoders().encoders}
    assert (listed["run:tuned"].width, listed["run:tuned"].input, listed["run:tuned"].here) == (64, (32, 32), True)
    assert "cannot be read" in listed["run:broken"].missing
    assert not any("fold-1" in name for name in listed)
    assert boda.load_encoder("run:tuned").recipe == boda.load_encoder(tuned.encoder).recipe


def test_what_cannot_be_tuned_is_one_line(place, tuned, tmp_path):
    """Encoders without weights, layers, columns, classes, names, folds: each says what to do."""
    run = {"to": tmp_path / "run"}
    with pytest.raises(Refused, match="has nothing to train: give auto"):
        tune(place, encoder="handmade:hog-colour", **run)
    with pytest.raises(Refused, match="features of a layer"):
        tune(place, encoder=encoder_of(place).take("layer2"), **run)
    with pytest.raises(NotFound, match="colour"):
        tune(place, "colour", **run)
    with pytest.raises(Refused, match=r"class '0' has 1 image \(under/00.png\); one has to be learned from"):
        tune(place, "angle", target_kind="class", **run)
    with pytest.raises(Refused, match="freeze=layer4: no layer of this name; near: layer"):
        tune(place, freeze="layer4", **run)
    boda.embed(place / "images", encoders="handmade:hog-colour", to=place / "w.boda", workers=1)
    with pytest.raises(Refused, match="only columns stand beside the images"):
        tune(place, inputs=["handmade:hog-colour"], **run)
    with pytest.raises(Refused, match="not labels"):
        tune(place, "zero,one", target_kind="labels", **run)
    with pytest.raises(Refused, match="folds=1"):
        tune(place, folds=1, **run)
    with pytest.raises(Refused, match="a run with another preset"):
        tune(place, to=tuned.folder, settings={"epochs": 3, "batch": 8})
    with pytest.raises(Refused, match="a run with another folds"):
        tune(place, to=tuned.folder, folds=3, settings={"epochs": 2, "batch": 8})


def test_flips_that_change_a_column_are_refused(place, tmp_path):
    """An angle beside a mirrored image would be another's."""
    with pytest.raises(Refused, match="what 'angle' means"):
        tune(place, inputs=["angle"], settings=TINY | {"augmentation": "flip"}, folds=0, to=tmp_path / "run")
    assert RunFolder(tmp_path / "run").record() is None
    found = tune(place, inputs=["angle"], settings=TINY | {"augmentation": "none"}, folds=0, to=tmp_path / "run")
    assert found.plan.columns > 0


def test_a_decay_that_is_none_leaves_nothing_in_the_way(place, tmp_path):
    """So the corrected command finds an empty place."""
    with pytest.raises(Refused, match=r"layer_decay=2.0: a share above 0, at most 1"):
        tune(place, folds=0, layer_decay=2.0, to=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_in_the_way_is_found_before_features_are_made(place, tmp_path, monkeypatch):
    """A folder that is not there, or holds things of others."""
    from boda.pipelines import finetune

    def never(*given, **more):
        raise AssertionError("features")

    monkeypatch.setattr(finetune, "_features_of", never)
    with pytest.raises(NotFound, match="no such folder to write into"):
        tune(place, to=tmp_path / "no" / "run")
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(Refused, match="is there already and is no run"):
        tune(place, to=tmp_path)


def test_a_share_that_is_none_is_refused(place, tmp_path):
    """As of `boda.train_network`."""
    for share in (0.9, 0.0, None):
        with pytest.raises(Refused, match=f"validation={share}: it must be a share above 0"):
            tune(place, folds=0, validation=share, to=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_labels_and_columns_are_another_run(place, tmp_path):
    """What a flip swaps, and what stands in the columns beside the images."""
    how = {"folds": 0, "inputs": ["noise"], "to": tmp_path / "run"}
    tune(place, flip_pairs=(), **how)
    with pytest.raises(Refused, match="another pairs"):
        tune(place, flip_pairs=[("over", "under")], **how)
    labels = (place / "table.csv").read_text().split("\n")
    names = labels[0].split(",")
    changed = [line.split(",") for line in labels[1:]]
    for row in changed:
        row[names.index("noise")] = "7.5" if row[0].endswith("00.png") else row[names.index("noise")]
    other = tmp_path / "other.csv"
    other.write_text("\n".join([labels[0], *(",".join(row) for row in changed)]))
    boda.label(place / "w.boda", other)
    try:
        with pytest.raises(Refused, match="another columns"):
            tune(place, flip_pairs=(), **how)
    finally:
        boda.label(place / "w.boda", place / "table.csv")


def test_classes_that_have_a_hand_are_not_flipped_unasked(place, tmp_path):
    """The column says so, whatever its classes are called."""
    lines = (place / "table.csv").read_text().split("\n")[1:]
    hands = tmp_path / "hands.csv"
    hands.write_text(
        "file,winding\n" + "\n".join(f"{line.split(',')[0]},{'SZ'[n % 2]}" for n, line in enumerate(lines))
    )
    boda.label(place / "w.boda", hands)
    with pytest.raises(Refused, match=r"what 'winding' means \(winding\)"):
        tune(place, "winding", settings=TINY | {"augmentation": "flip"}, folds=0, to=tmp_path / "run")
