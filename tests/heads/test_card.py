"""The card of a head says what the record says, in a form that model hubs read."""

import copy
import json

import pytest

from boda.heads.card import Use, card

ModelCard = pytest.importorskip("huggingface_hub").ModelCard

RECIPE = {
    "architecture": "timm:resnet18",
    "weights": "0" * 64,
    "layer": "pooled",
    "pooling": "model",
    "pixels": None,
    "precision": "fp32",
    "arguments": {},
    "name": "timm:resnet18.a1_in1k",
    "licence": "apache-2.0",
    "id": "0123456789abcdef",
}
RECORD = {
    "name": "merger",
    "target": {"kind": "class", "name": "kind", "names": ["merger", "smooth"], "levels": [], "tree": None},
    "inputs": [{"name": "resnet18", "recipe": RECIPE, "scaling": "standardised", "category": False}],
    "unit": None,
    "model": {"kind": "logistic", "settings": {}},
    "evaluation": {
        "rows": 1700,
        "left_out": {"no target": 12},
        "folds": {"said": "5 folds by field (40 groups)", "by": "field", "count": 5},
        "primary": "auc",
        "metrics": {
            "auc": {"value": 0.8125, "low": 0.79, "high": 0.83, "baseline": 0.5, "better": "higher"},
            "log_loss": {"value": 1e-05, "low": 0.0, "high": 2e-05, "baseline": 0.69, "better": "lower"},
            "never": {"value": None, "low": None, "high": None, "baseline": None, "better": "higher"},
        },
        "calibration": {"value": 1.2, "error": 0.01, "error_before": 0.05},
        "conformal": {"level": 0.9, "coverage": {"value": 0.897, "low": 0.88, "high": 0.91}, "set_size": 1.2},
        "random_folds": {"flattered": False, "sentence": "auc is 0.83 with random folds and 0.81 by field."},
        "imbalance": {"names": ["merger", "smooth"], "counts": [200, 1500], "shares": [200 / 1700, 1500 / 1700]},
        "warnings": ["auc is not clearly better than the trivial baseline"],
        "data": {"listed": 1720, "quarantined": 8, "reasons": {"decode/truncated": 5, "identify/not_an_image": 3}},
    },
}


def record(**changes):
    return copy.deepcopy(RECORD) | changes


def test_hubs_read_its_front():
    """Task, licence, library, base model and every metric that has a value; small numbers stay numbers."""
    data = ModelCard(card(RECORD, Use("timm", ("timm/resnet18.a1_in1k",)))).data
    assert (data.library_name, data.pipeline_tag, data.license) == ("timm", "image-classification", "apache-2.0")
    assert data.base_model == ["timm/resnet18.a1_in1k"]
    assert data.tags == ["boda", "class", "logistic"]
    assert {one.metric_type: one.metric_value for one in data.eval_results} == {"auc": 0.8125, "log_loss": 1e-05}
    assert data.model_name == "merger"


def test_everything_that_one_must_know_is_in_it():
    """Counts, quarantined files and why, folds, metrics with interval and baseline, limits, licence, recipe."""
    text = card(RECORD, Use(rows=False))
    for expected in (
        "1,700 rows. 1,720 images listed, 8 of these could not be used.",
        "| decode/truncated | 5 |",
        "Not trained on: no target 12.",
        "each predicted by a model that had not seen it: 5 folds by field (40 groups).",
        "| auc | 0.8125 | 0.79 to 0.83 | 0.5 |",
        "| never | - | - to - | - |",
        "Its 90 % sets of possible classes held the truth of 89.7 % (88 % to 91 %) of held-out rows.",
        "Expected calibration error: 0.01 once calibrated, 0.05 before.",
        "Folds kept each field whole: the scores are those to expect for a field that is new.",
        "auc is 0.83 with random folds and 0.81 by field.",
        "**Mind:** auc is not clearly better than the trivial baseline",
        "| merger | 200 | 11.8 % |",
        "it cannot tell whether it has seen an image",
        "the weights of timm:resnet18.a1\\_in1k are under apache-2.0",
        json.dumps(RECIPE, indent=1),
    ):
        assert expected in text, expected
    assert "it cannot tell" not in card(RECORD)


def test_random_folds_are_called_what_they_are():
    """Without groups the card says what that may hide."""
    plain = record()
    plain["evaluation"]["folds"] |= {"by": "rows"}
    assert "expect less on a new group" in card(plain)


def test_what_each_form_is_used_by():
    """Commands and code name what is there, and what the scores of timm mean."""
    assert "--weights FOLDER/model.safetensors" in card(RECORD, Use("timm"))
    assert "`scores.softmax(1)` are the calibrated probabilities of the classes" in card(RECORD, Use("timm"))
    assert "onnxruntime.InferenceSession" in card(RECORD, Use("onnx"))
    assert "without the network" in card(RECORD)
    layered = record(inputs=[RECORD["inputs"][0] | {"recipe": RECIPE | {"layer": "layer3", "pooling": "gem"}}])
    assert "what layer layer3 of it gives, pooling gem" in card(layered, Use("timm encoder"))
    column = {"name": "area", "recipe": None, "scaling": "standardised", "category": False}
    assert "--from TABLE" in card(record(inputs=[*RECORD["inputs"], column]))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (["mit"], ("mit", None)),
        (["mit", "apache-2.0"], ("other", "apache-2.0-and-mit")),
        (["CC BY-NC 4.0: ask us"], ("other", "cc-by-nc-4.0-ask-us")),
        (["mit", ""], (None, None)),
    ],
)
def test_licences(found, said):
    """One plain name is a licence; several or odd ones are "other", with their names; where one is not known, none."""
    inputs = [RECORD["inputs"][0] | {"recipe": RECIPE | {"licence": one}} for one in found]
    text = card(record(inputs=inputs))
    data = ModelCard(text).data
    assert (data.get("license"), data.get("license_name")) == said
    assert ("not known" in text) == ("" in found)


def test_no_name_plays_with_the_card():
    """Names that look like YAML, Markdown or HTML are text in both."""
    nasty = 'a: "b"\n---\n# <script> | x `y` {z} 사진 \\'
    strange = record(name=nasty)
    strange["target"] |= {"name": nasty, "names": [nasty, "- other"]}
    strange["evaluation"]["folds"] |= {"said": nasty, "by": nasty}
    text = card(strange, Use(base=(nasty,)))
    data = ModelCard(text).data
    assert data.model_name == nasty.replace("\n", "\\n")
    assert data.base_model == [nasty.replace("\n", "\\n")]
    body = text.split("\n---\n", 1)[1]
    assert "<script>" not in body.replace("\\<script\\>", "")
    assert body.count("\n# ") + body.startswith("# ") == 1


def test_a_head_that_nobody_evaluated():
    """Says so, and has no results."""
    text = card(record(evaluation={}))
    assert "It was not evaluated." in text
    assert "Not known." in text
    assert ModelCard(text).data.eval_results is None


@pytest.mark.parametrize(("kind", "task"), [("number", "tabular-regression"), ("class", "tabular-classification")])
def test_heads_of_columns_alone(kind, task):
    """Have no licence and no recipe of features."""
    plain = record(inputs=[{"name": "area", "recipe": None, "scaling": "standardised", "category": False}])
    plain["target"] |= {"kind": kind}
    text = card(plain)
    assert ModelCard(text).data.pipeline_tag == task
    assert "## Licence" not in text
    assert "## Recipe" not in text
