"""Predictors by the name under which a head keeps them: a short dict of lazy names."""

import importlib
from typing import Any, Final

PREDICTORS: Final = {
    "linear": "boda.heads.linear:LinearModel",
    "ridge": "boda.heads.ridge:RidgeModel",
    "logistic": "boda.heads.logistic:LogisticModel",
    "labels": "boda.heads.labels:LabelsModel",
    "ratings": "boda.heads.ratings:RatingsModel",
    "votes": "boda.heads.votes:VotesModel",
    "mlp": "boda.heads.mlp:MlpModel",
}


def predictor_of(kind: str) -> Any:
    """The class of predictors of this kind.

    Raises:
        KeyError: there is none.
    """
    module, _, name = PREDICTORS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
