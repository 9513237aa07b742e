"""Import a head: a linear layer that somebody else trained, for features that are in a workspace."""

import os

import numpy as np

from boda.errors import Refused
from boda.heads.asking import Asked
from boda.heads.assembling import Wanted
from boda.heads.head import Head, Trained
from boda.heads.imported import read_linear_head
from boda.heads.inputs import FeatureInput, Inputs
from boda.heads.linear import LinearModel
from boda.heads.preparation import Preparation
from boda.heads.target import Blank
from boda.keys import shown
from boda.pipelines.heads.keeping import KIND, keep_head
from boda.pipelines.places import Where, existing_file, opened
from boda.recipe import Recipe

_SAMPLE = 4096


def import_head(
    workspace: Where,
    weights: str | os.PathLike[str],
    *,
    target: str,
    recipe: str | Recipe | None = None,
    unit_length: bool = True,
    name: str | None = None,
    force: bool = False,
) -> Head:
    """Keep a linear layer as a head of a number, for the features it was made for; it comes without an evaluation.

    Nothing in such a file says which features it takes: that is for you to know. What can be checked is checked, the
    width and the length of the features.

    Args:
        workspace: where the features are.
        weights: a .pth, .pt or .safetensors file with one weight matrix and its offset.
        target: what it predicts; where the workspace has a column of this name, `boda evaluate` compares with it.
        recipe: of the features; None: the latest.
        unit_length: it takes features of length 1 only, as linear layers on CLIP embeddings do; others are refused.
        name: of the head; by default that of the file.
        force: take the place of a head of this name.

    Raises:
        NotFound: no such file or features.
        Refused: the file holds no linear layer, or one of another width; features are not of length 1; or there is a
            head of this name.
    """
    file = existing_file(weights)
    there = opened(workspace)
    matrix, offset = read_linear_head(file)
    features = there.features(recipe)
    if matrix.shape != (1, features.array.shape[1]):
        raise Refused(
            f"{shown(str(file))}: a layer from {matrix.shape[1]} to {matrix.shape[0]}, but the features "
            f"{shown(features.recipe.name)} ({features.recipe.id}) are {features.array.shape[1]} wide; one number is "
            "learned from features of the layer's width"
        )
    name = name or file.stem
    if not force and name in {one.name for one in there.results(KIND)}:
        raise Refused(
            f"{there.path}: has a head {shown(name)!r} already; give --force to replace it, or another --name"
        )
    model = LinearModel(matrix.T.astype(np.float64), offset.astype(np.float64), unit_length)
    wanted = Wanted(features.recipe.name or features.recipe.id, features.recipe, "raw")
    sample = features.array[:_SAMPLE]
    inputs = Inputs((FeatureInput(wanted.name, features.recipe.id, sample, scaling="raw"),))
    preparation = Preparation.fit(inputs, np.arange(len(sample)))
    model.outputs(preparation.design(inputs).dense())  # refuses what is not of length 1 now, not at the first use
    head = Head(
        name=name,
        asked=Asked(target, "number"),
        target=Blank("number", target),
        wanted=(wanted,),
        preparation=preparation,
        model=model,
        trained=Trained.unknown(1),
    )
    keep_head(head, there)
    return head
