# ruff: noqa: TID253 - this module is where scikit-learn is loaded: nothing in boda imports it before it is asked for
"""Heads by the protocol of scikit-learn, for its pipelines, searches and comparisons.

Arrays stay float64 all the way here, where designs made from features are float32.
"""

from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import FunctionTransformer, Normalizer, StandardScaler
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from boda.errors import Refused
from boda.heads.design import Design
from boda.heads.inputs import Scaling
from boda.heads.learner import Learner, Outputs, Predictor
from boda.heads.logistic import Logistic
from boda.heads.ridge import Ridge
from boda.heads.target import Target

Penalties = tuple[float, ...] | None


class _Linear(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both share: scaling, and a penalty chosen on inner folds that keep groups whole."""

    def __init__(self, penalties: Penalties = None, scaling: Scaling = "standardised", seed: int = 0) -> None:
        self.penalties = penalties
        self.scaling = scaling
        self.seed = seed

    def _learn(self, x: npt.NDArray[np.float64], target: Target, learner: Learner, groups: Any) -> Predictor:
        self.scaler_ = _scaler(self.scaling).fit(x)
        design = Design.of(cast("npt.NDArray[np.float32]", np.asarray(self.scaler_.transform(x))))
        teams = np.arange(len(x)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        return learner.fit(design, target, groups=teams, rng=np.random.default_rng(self.seed))

    def _outputs(self, x: Any) -> Outputs:
        check_is_fitted(self)
        found = self.scaler_.transform(validate_data(self, x, reset=False, dtype=np.float64))
        outputs: Outputs = self.model_.outputs(np.asarray(found))
        return outputs


class RidgeRegressor(RegressorMixin, _Linear):  # type: ignore[misc]
    """A number by ridge regression, its penalty chosen on inner folds (see `boda.heads.ridge.Ridge`).

    Args:
        penalties: to choose from, > 0, as `alpha` of scikit-learn's Ridge on scaled columns; one alone is taken as it
            is; None: fifteen decades.
        scaling: "standardised" columns, "normalised" rows, or "raw".
        seed: of the inner folds.

    Attributes:
        model_: the `RidgeModel` of scaled columns.
        n_features_in_: d.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from (n, d) finite numbers and (n,) targets; rows of one group stay together in inner folds."""
        x, numbers = validate_data(self, X, y, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        target = Target("number", "y", np.asarray(numbers, np.float64))
        self.model_ = self._learn(x, target, Ridge(_penalties(self.penalties)), groups)
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """(n, d) to (n,)."""
        return self._outputs(X)[:, 0]


class LogisticClassifier(ClassifierMixin, _Linear):  # type: ignore[misc]
    """A class by multinomial logistic regression (see `boda.heads.logistic.Logistic`).

    Args:
        penalties: to choose from, > 0; one alone is taken as it is; None: a wide grid.
        scaling: "standardised" columns, "normalised" rows, or "raw".
        seed: of the inner folds.

    Attributes:
        model_: the `LogisticModel` of scaled columns.
        classes_: (k,), sorted.
        n_features_in_: d.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from (n, d) finite numbers and (n,) classes; rows of one group stay together in inner folds.

        Raises:
            Refused: one class only.
        """
        x, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(labels)
        self.classes_, places = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise Refused("one class only: there is nothing to tell apart")
        target = Target("class", "y", places.astype(np.int64), tuple(str(one) for one in self.classes_))
        self.model_ = self._learn(x, target, Logistic(_penalties(self.penalties)), groups)
        return self

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """(n, d) to (n, k) scores; for two classes (n,), how far the second is before the first."""
        scores = self._outputs(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """(n, d) to (n, k) probabilities."""
        scores = self._outputs(X)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        found: npt.NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
        return found

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """(n, d) to the (n,) most likely classes."""
        places = self._outputs(X).argmax(axis=1)
        found: npt.NDArray[Any] = self.classes_[places]
        return found


def _scaler(scaling: Scaling) -> Any:
    scalers = {"standardised": StandardScaler, "normalised": Normalizer, "raw": FunctionTransformer}
    if scaling not in scalers:
        raise Refused(f"scaling must be one of {', '.join(scalers)}, not {scaling!r}")
    return scalers[scaling]()


def _penalties(given: Any) -> Penalties:
    return None if given is None else tuple(float(one) for one in given)
