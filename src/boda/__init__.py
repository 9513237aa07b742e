"""Boda: from a folder of images to features, and to answers that can be trusted.

The names below are the public API; each is imported when it is first used, so that `import boda` stays light.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "open": "boda.workspace.workspace:open_workspace",
    "embed": "boda.pipelines.embed:embed",
    "search": "boda.pipelines.search:search",
    "why_similar": "boda.pipelines.why_similar:why_similar",
    "train": "boda.pipelines.train:train",
    "predict": "boda.pipelines.predict:predict",
    "evaluate": "boda.pipelines.evaluate:evaluate",
    "compare": "boda.pipelines.compare:compare",
    "cluster": "boda.pipelines.cluster:cluster",
    "map_points": "boda.pipelines.map_points:map_points",
    "inspect": "boda.pipelines.inspect:inspect",
    "explain": "boda.pipelines.explain:explain",
    "compare_explanations": "boda.pipelines.explain:compare_explanations",
    "look_inside": "boda.pipelines.look_inside:look_inside",
    "train_network": "boda.pipelines.train_network:train_network",
    "finetune": "boda.pipelines.finetune:finetune",
    "augment": "boda.pipelines.augment:augment",
    "label": "boda.pipelines.label:label",
    "info": "boda.pipelines.info:info",
    "doctor": "boda.pipelines.doctor:doctor",
    "quarantine": "boda.pipelines.quarantine:quarantine",
    "export_quarantine": "boda.pipelines.quarantine:export_quarantine",
    "retry_quarantined": "boda.pipelines.quarantine:retry_quarantined",
    "export": "boda.pipelines.export:export",
    "export_head": "boda.pipelines.export_head:export_head",
    "import_features": "boda.pipelines.import_features:import_features",
    "import_head": "boda.pipelines.import_head:import_head",
    "demo": "boda.pipelines.demo:demo",
    "load_encoder": "boda.encoders.registry:load_encoder",
    "list_encoders": "boda.pipelines.encoders:encoders",
    "open_source": "boda.sources.opening:open_source",
    "Workspace": "boda.workspace.workspace:Workspace",
    "Head": "boda.heads.head:Head",
    "FeatureSet": "boda.workspace.features:FeatureSet",
    "Recipe": "boda.recipe:Recipe",
    "PixelSpec": "boda.pixels.spec:PixelSpec",
    "Encoder": "boda.encoders.base:Encoder",
    "Source": "boda.sources.base:Source",
    "ImageRef": "boda.sources.base:ImageRef",
    "BodaError": "boda.errors:BodaError",
}

__all__ = sorted(_PUBLIC)  # noqa: PLE0605

if TYPE_CHECKING:
    from boda.encoders.base import Encoder as Encoder
    from boda.encoders.registry import load_encoder as load_encoder
    from boda.errors import BodaError as BodaError
    from boda.heads.head import Head as Head
    from boda.pipelines.augment import augment as augment
    from boda.pipelines.cluster import cluster as cluster
    from boda.pipelines.compare import compare as compare
    from boda.pipelines.demo import demo as demo
    from boda.pipelines.doctor import doctor as doctor
    from boda.pipelines.embed import embed as embed
    from boda.pipelines.encoders import encoders as list_encoders
    from boda.pipelines.evaluate import evaluate as evaluate
    from boda.pipelines.explain import compare_explanations as compare_explanations
    from boda.pipelines.explain import explain as explain
    from boda.pipelines.export import export as export
    from boda.pipelines.export_head import export_head as export_head
    from boda.pipelines.finetune import finetune as finetune
    from boda.pipelines.import_features import import_features as import_features
    from boda.pipelines.import_head import import_head as import_head
    from boda.pipelines.info import info as info
    from boda.pipelines.inspect import inspect as inspect
    from boda.pipelines.label import label as label
    from boda.pipelines.look_inside import look_inside as look_inside
    from boda.pipelines.map_points import map_points as map_points
    from boda.pipelines.predict import predict as predict
    from boda.pipelines.quarantine import export_quarantine as export_quarantine
    from boda.pipelines.quarantine import quarantine as quarantine
    from boda.pipelines.quarantine import retry_quarantined as retry_quarantined
    from boda.pipelines.search import search as search
    from boda.pipelines.train import train as train
    from boda.pipelines.train_network import train_network as train_network
    from boda.pipelines.why_similar import why_similar as why_similar
    from boda.pixels.spec import PixelSpec as PixelSpec
    from boda.recipe import Recipe as Recipe
    from boda.sources.base import ImageRef as ImageRef
    from boda.sources.base import Source as Source
    from boda.sources.opening import open_source as open_source
    from boda.workspace.features import FeatureSet as FeatureSet
    from boda.workspace.workspace import Workspace as Workspace
    from boda.workspace.workspace import open_workspace as open


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'boda' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
