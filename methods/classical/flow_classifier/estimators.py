"""Estimators of scikit-learn, with its default settings but for those named."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

#: Name -> class, settings, and whether principal components come before it.
ESTIMATORS: dict[str, tuple[type, dict[str, Any], bool]] = {
    "svm-rbf": (SVC, {}, False),
    "svm-linear": (SVC, {"kernel": "linear"}, False),
    "logistic": (LogisticRegression, {"max_iter": 1000}, False),
    "ridge": (RidgeClassifier, {}, False),
    "lda": (LinearDiscriminantAnalysis, {"solver": "lsqr", "shrinkage": "auto"}, False),
    "pca-lda": (LinearDiscriminantAnalysis, {"solver": "lsqr", "shrinkage": "auto"}, True),
    "knn": (KNeighborsClassifier, {}, False),
    "naive-bayes": (GaussianNB, {}, False),
    "random-forest": (RandomForestClassifier, {}, False),
    "extra-trees": (ExtraTreesClassifier, {}, False),
    "boosting": (HistGradientBoostingClassifier, {}, True),
    "gaussian-process": (GaussianProcessClassifier, {}, True),
    "perceptron": (MLPClassifier, {"hidden_layer_sizes": (64,), "max_iter": 500}, False),
}
COMPONENTS = 50


def make(name: str, seed: int, balanced: bool, strength: float | None, labels: npt.NDArray[Any]) -> Pipeline:
    """Return an estimator, not yet fitted, behind a StandardScaler and, for some, at most 50 principal components.

    Parameters
    ----------
    name : str
        One of `ESTIMATORS`.
    seed : int
        For those that draw random numbers.
    balanced : bool
        Weigh clips by the inverse of their class's number; of discriminants and naive Bayes, equal priors.
    strength : float, optional
        ``C`` of machines and logistic regression, ``alpha`` of ridge and perceptron; by default scikit-learn's.
    labels : ndarray
        Classes of the training clips.

    Raises
    ------
    ValueError
        The estimator has neither class weights nor priors, or no strength.
    """
    kind, settings, reduced = ESTIMATORS[name]
    known = kind().get_params()
    settings = settings | ({"random_state": seed} if "random_state" in known else {})
    if balanced:
        settings |= _balance(name, known, len(np.unique(labels)))
    if strength is not None:
        parameter = next((each for each in ("C", "alpha") if each in known), None)
        if parameter is None:
            raise ValueError(f"the estimator {name} has no strength: remove the setting")
        settings[parameter] = strength
    components = [PCA(min(COMPONENTS, len(labels) - 1), svd_solver="full")] if reduced else []
    return make_pipeline(StandardScaler(), *components, kind(**settings))


def _balance(name: str, known: dict[str, Any], classes: int) -> dict[str, Any]:
    """Return the setting by which an estimator balances classes."""
    if "class_weight" in known:
        return {"class_weight": "balanced"}
    if "priors" in known:
        return {"priors": [1 / classes] * classes}
    raise ValueError(f"the estimator {name} does not balance classes: write balanced: false")
