"""The scikit-learn contract over autometa's search."""

from autometa.estimators._classifier import AutoMetaClassifier
from autometa.estimators._regressor import AutoMetaRegressor

__all__ = ["AutoMetaClassifier", "AutoMetaRegressor"]
