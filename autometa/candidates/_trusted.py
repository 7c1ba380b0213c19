"""What a saved pipeline may name beyond what skops trusts by itself.

skops builds a saved model from named types. It trusts most of scikit-learn's and NumPy's; everything else
must be listed by whoever loads the file. These are the types that the candidates' fitted pipelines hold,
found with `skops.io.get_untrusted_types` over every candidate, task and kind of column; the conformance
suite fails when one is missing, and a test fails when one is a function or a way to call one.

The three boosters keep their models in their own formats, which are data and run no code.
"""

TRUSTED_TYPES: tuple[str, ...] = (
    "autometa.candidates._catboost.CatBoostedClassifier",
    "autometa.candidates._catboost.CatBoostedRegressor",
    "autometa.candidates._few_shot_estimator.FewShotClassifier",
    "autometa.candidates._forest.WeightedExtraTreesClassifier",
    "autometa.candidates._forest.WeightedExtraTreesRegressor",
    "autometa.candidates._forest.WeightedRandomForestClassifier",
    "autometa.candidates._forest.WeightedRandomForestRegressor",
    "autometa.candidates._hist_gradient_boosting.HistogramClassifier",
    "autometa.candidates._hist_gradient_boosting.HistogramRegressor",
    "autometa.candidates._k_nearest_neighbors.NeighborsClassifier",
    "autometa.candidates._k_nearest_neighbors.NeighborsRegressor",
    "autometa.candidates._lightgbm.LightGBMClassifier",
    "autometa.candidates._lightgbm.LightGBMRegressor",
    "autometa.candidates._logistic_regression.LogisticClassifier",
    "autometa.candidates._mlp_estimator.MLPClassifier",
    "autometa.candidates._mlp_estimator.MLPRegressor",
    "autometa.candidates._ridge.RidgeRegressor",
    "autometa.candidates._svm.SupportVectorClassifier",
    "autometa.candidates._svm.SupportVectorRegressor",
    "autometa.candidates._transformers.CategoryCodes",
    "autometa.candidates._transformers.DatetimeParts",
    "autometa.candidates._transformers.Finite",
    "autometa.candidates._transformers.ManyCategories",
    "autometa.candidates._transformers.QuantileNormalizer",
    "autometa.candidates._transformers.SquashingScaler",
    "autometa.candidates._transformers.TextComponents",
    "autometa.candidates._xgboost.XGBoostClassifier",
    "autometa.candidates._xgboost.XGBoostRegressor",
    "catboost.core.CatBoostClassifier",
    "catboost.core.CatBoostRegressor",
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
)
