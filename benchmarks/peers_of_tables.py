"""What the procedure is compared with on others' tables: each a function that returns a scikit-learn classifier.

Every peer imputes by the median, scales where scale matters, and chooses whatever it chooses by cross-validation inside the
rows that it is fitted on, by log loss. Peers that are no dependency of the project are imported by what fits them.
"""

import hashlib
import inspect
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Self

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

Values = npt.NDArray[np.float64]
INNER = StratifiedKFold(5, shuffle=True, random_state=0)
PENALTIES = np.logspace(-5, 1, 10)
TREES = 500
MOST_SD = 5.0
"""Standardised values are cut there: one outlier of a heavy tail would otherwise outweigh the other patients."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a peer may spend.

    Args:
        trials: Draws of a search.
        seconds: Wall clock of one fit, for peers that are limited by time.
    """

    trials: int = 25
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A classifier to compare with.

    Args:
        title: As the summary names it.
        make: Returns it unfitted.
        needs: Packages whose versions decide what it returns, the one that may be absent first.
    """

    title: str
    make: Callable[[Budget], Any]
    needs: tuple[str, ...] = ("scikit-learn",)
    module: str = "sklearn"

    @property
    def is_here(self) -> bool:
        """Whether its package is installed."""
        try:
            return find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False

    def version(self, budget: Budget) -> str:
        """Return a hash of its settings, of its code where that is ours, and of the packages that it runs on."""
        model = self.make(budget)
        settings = re.sub(r" at 0x[0-9a-f]+", "", as_text(model))
        code = [inspect.getsource(kind) for kind in OWN if kind.__name__ in settings]
        return hashlib.sha256("\n".join([settings, *code, package_versions(*self.needs)]).encode()).hexdigest()[:12]


def package_versions(*names: str) -> str:
    """Return packages with their versions."""
    return ", ".join(f"{name} {version(name)}" for name in names)


def as_text(model: Any) -> str:
    """Return a classifier with all its settings."""
    if isinstance(model, Pipeline):
        return " -> ".join(as_text(step) for _, step in model.steps)
    return f"{type(model).__name__} {sorted(model.get_params().items(), key=lambda item: item[0])}"


class Clip(TransformerMixin, BaseEstimator):
    """Cut standardised values at ``most`` standard deviations."""

    def __init__(self, most: float = MOST_SD) -> None:
        self.most = most

    def fit(self, X: Values, y: object = None) -> Self:  # noqa: ARG002, N803
        """Note the number of columns."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Values) -> Values:  # noqa: N803
        """Cut."""
        return np.clip(X, -self.most, self.most)


def standardised(*steps: Any) -> Pipeline:
    """Return a pipeline that begins with the median and the standard deviation."""
    return make_pipeline(SimpleImputer(strategy="median"), VarianceThreshold(), StandardScaler(), Clip(), *steps)


def lightgbm(_: Budget) -> lgb.LGBMClassifier:
    """LightGBM as it comes."""
    return lgb.LGBMClassifier(verbosity=-1, n_jobs=1, deterministic=True, force_col_wise=True, random_state=0)


def tuned_lightgbm(budget: Budget) -> "TunedLightGBM":
    """LightGBM with its hyperparameters by Optuna and its number of trees by early stopping."""
    return TunedLightGBM(budget.trials)


def forest(_: Budget) -> Pipeline:
    """Grow a random forest to pure leaves."""
    return make_pipeline(SimpleImputer(strategy="median"), RandomForestClassifier(TREES, n_jobs=1, random_state=0))


def forest_of_fives(_: Budget) -> Pipeline:
    """Grow a random forest whose leaves hold five patients or more."""
    trees = RandomForestClassifier(TREES, min_samples_leaf=5, n_jobs=1, random_state=0)
    return make_pipeline(SimpleImputer(strategy="median"), trees)


def extra_trees(_: Budget) -> Pipeline:
    """Grow extremely randomised trees (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1)."""
    return make_pipeline(SimpleImputer(strategy="median"), ExtraTreesClassifier(TREES, n_jobs=1, random_state=0))


def ridge(_: Budget) -> Pipeline:
    """Ridge on all features, on as many principal axes as there are: a rotation, which a ridge does not see."""
    model = LogisticRegressionCV(
        Cs=PENALTIES, l1_ratios=(0,), cv=INNER, scoring="neg_log_loss", max_iter=2000, use_legacy_attributes=False
    )
    return standardised(PCA(svd_solver="full"), model)


def ridge_on_30(_: Budget) -> GridSearchCV:
    """Ridge on the 30 features that differ most between the classes, chosen anew in each inner training part."""
    steps = standardised(SelectKBest(f_classif, k=30), LogisticRegression(max_iter=2000))
    return GridSearchCV(steps, {"logisticregression__C": PENALTIES}, cv=INNER, scoring="neg_log_loss", n_jobs=1)


def elastic_net(_: Budget) -> Pipeline:
    """Elastic net (Zou and Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x), penalty and share of L1 chosen."""
    model = LogisticRegressionCV(
        Cs=np.logspace(-2, 0, 6),
        l1_ratios=(0.2, 0.8),
        cv=INNER,
        scoring="neg_log_loss",
        solver="saga",
        tol=1e-3,
        max_iter=100,
        random_state=0,
        use_legacy_attributes=False,
    )
    return standardised(model)


def support_vectors(_: Budget) -> Pipeline:
    """Radial support vector machine on the axes of ``ridge``, made probable by Platt's sigmoid on inner scores."""
    machine = CalibratedClassifierCV(SVC(), method="sigmoid", cv=INNER, ensemble=False)
    grid = {"estimator__C": np.logspace(-0.5, 1.5, 3), "estimator__gamma": np.logspace(-4.5, -2.5, 3)}
    return standardised(PCA(svd_solver="full"), GridSearchCV(machine, grid, cv=INNER, scoring="neg_log_loss", n_jobs=1))


def flaml(budget: Budget) -> "Flaml":
    """FLAML over its own list of learners (Wang et al. 2021, arXiv:1911.04706)."""
    return Flaml(budget.seconds)


def autogluon(budget: Budget) -> "AutoGluon":
    """AutoGluon tabular: bagged models and their weighted ensemble (Erickson et al. 2020, arXiv:2003.06505)."""
    return AutoGluon(budget.seconds)


def tabicl(_: Budget) -> Any:
    """TabICL with the weights that its package finds (Qu et al. 2025, arXiv:2502.05564)."""
    from tabicl import TabICLClassifier

    return TabICLClassifier(device="cpu", n_jobs=1, random_state=0)


def tabpfn(_: Budget) -> Any:
    """TabPFN with the weights that its package finds (Hollmann et al. 2025, doi:10.1038/s41586-024-08328-6)."""
    from tabpfn import TabPFNClassifier

    return TabPFNClassifier(device="cpu", ignore_pretraining_limits=True, random_state=0)


class TunedLightGBM(ClassifierMixin, BaseEstimator):
    """LightGBM whose hyperparameters Optuna chooses; the number of trees is where the mean inner log loss is least."""

    ROUNDS, PATIENCE = 300, 20

    def __init__(self, trials: int = 25, random_state: int = 0) -> None:
        self.trials = trials
        self.random_state = random_state

    def fit(self, X: Values, y: npt.NDArray[np.int_]) -> Self:  # noqa: N803
        """Search, then fit on all rows."""
        self.classes_ = np.unique(y)
        fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True}
        fixed |= {"seed": self.random_state, "bagging_freq": 1, "feature_pre_filter": False, "max_bin": 63}
        data = lgb.Dataset(X, y, params=fixed, free_raw_data=False)
        folds = list(StratifiedKFold(5, shuffle=True, random_state=self.random_state).split(X, y))

        def loss(trial: optuna.Trial) -> float:
            stop = lgb.early_stopping(self.PATIENCE, verbose=False)
            curve = lgb.cv(fixed | self._drawn(trial), data, self.ROUNDS, folds=folds, callbacks=[stop])
            means = curve["valid binary_logloss-mean"]
            trial.set_user_attr("trees", int(np.argmin(means)) + 1)
            return float(np.min(means))

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.random_state))
        study.enqueue_trial({"learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, "lambda_l2": 0.001})
        study.optimize(loss, n_trials=self.trials)
        best = study.best_trial
        self.model_ = lgb.train(fixed | best.params, data, best.user_attrs["trees"])
        return self

    def _drawn(self, trial: optuna.Trial) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
            "num_leaves": trial.suggest_int("num_leaves", 2, 31, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 2, 30, log=True),
            "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100.0, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.05, 0.8, log=True),
            "bagging_fraction": trial.suggest_float("bagging_fraction", 0.5, 1.0),
        }

    def predict_proba(self, X: Values) -> Values:  # noqa: N803
        """Return the probability of each class."""
        positive = np.asarray(self.model_.predict(X, num_threads=1))
        return np.column_stack([1 - positive, positive])


class Flaml(ClassifierMixin, BaseEstimator):
    """FLAML for so many seconds, on one core."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds

    def fit(self, X: Values, y: npt.NDArray[np.int_]) -> Self:  # noqa: N803
        """Search until the time is over."""
        from flaml import AutoML

        self.classes_ = np.unique(y)
        self.model_ = AutoML()
        self.model_.fit(
            X,
            y,
            task="classification",
            metric="log_loss",
            time_budget=self.seconds,
            eval_method="cv",
            n_splits=5,
            n_jobs=1,
            seed=0,
            verbose=0,
        )
        return self

    def predict_proba(self, X: Values) -> Values:  # noqa: N803
        """Return the probability of each class."""
        return np.asarray(self.model_.predict_proba(X))


class AutoGluon(ClassifierMixin, BaseEstimator):
    """AutoGluon's default models but networks, bagged over five folds, for so many seconds, on one core."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds

    def fit(self, X: Values, y: npt.NDArray[np.int_]) -> Self:  # noqa: N803
        """Fit models until the time is over, and weigh them."""
        from autogluon.tabular import TabularPredictor

        self.classes_ = np.unique(y)
        self.folder_ = tempfile.TemporaryDirectory()
        predictor = TabularPredictor("y", eval_metric="log_loss", path=self.folder_.name, verbosity=0)
        self.model_ = predictor.fit(
            self._frame(X).assign(y=y),
            time_limit=self.seconds,
            num_bag_folds=5,
            num_bag_sets=1,
            num_stack_levels=0,
            dynamic_stacking=False,
            excluded_model_types=["NN_TORCH", "FASTAI"],
            ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
            num_cpus=1,
            num_gpus=0,
        )
        return self

    def predict_proba(self, X: Values) -> Values:  # noqa: N803
        """Return the probability of each class."""
        return np.asarray(self.model_.predict_proba(self._frame(X))[self.classes_])

    def _frame(self, values: Values) -> pd.DataFrame:
        return pd.DataFrame(values, columns=[f"f{column}" for column in range(values.shape[1])])


OWN = (Clip, TunedLightGBM, Flaml, AutoGluon)

PEERS: dict[str, Peer] = {
    "lightgbm": Peer("LightGBM, defaults", lightgbm, ("lightgbm",)),
    "tuned_lightgbm": Peer("LightGBM, tuned", tuned_lightgbm, ("lightgbm", "optuna")),
    "forest": Peer("random forest", forest),
    "forest_of_fives": Peer("random forest, leaves of five", forest_of_fives),
    "extra_trees": Peer("extra trees", extra_trees),
    "ridge": Peer("ridge, all features", ridge),
    "ridge_on_30": Peer("ridge, 30 features", ridge_on_30),
    "elastic_net": Peer("elastic net", elastic_net),
    "support_vectors": Peer("support vector machine", support_vectors),
    "flaml": Peer("FLAML", flaml, ("flaml", "lightgbm", "xgboost"), "flaml"),
    "autogluon": Peer("AutoGluon", autogluon, ("autogluon.tabular", "lightgbm", "catboost"), "autogluon.tabular"),
    "tabicl": Peer("TabICL", tabicl, ("tabicl",), "tabicl"),
    "tabpfn": Peer("TabPFN", tabpfn, ("tabpfn",), "tabpfn"),
}
"""All peers, by the name that ``--models`` takes."""
