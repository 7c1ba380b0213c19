"""Writing searches down in MLflow, without ever making a search wait.

`open_tracker` gives the tracker of an address; `NullTracker` is the one of ``--no-mlflow``. Importing this
package loads no MLflow, and neither does tracking: that happens in a process of its own.
"""

from autometa.tracking._base import Tracker
from autometa.tracking._mlflow import MlflowTracker
from autometa.tracking._null import NullTracker
from autometa.tracking._store import Store, resolve
from autometa.tracking._view import searches_page

__all__ = ["MlflowTracker", "NullTracker", "Store", "Tracker", "open_tracker", "resolve", "searches_page"]


def open_tracker(uri: str | None, *, experiment: str = "autometa", close_timeout: float = 10.0) -> Tracker:
    """The tracker of an MLflow address.

    Nothing is opened or created before the tracker's `start`.

    Args:
        uri: ``sqlite:////folder/mlflow.db``, a database's or a server's address; None means
            ``mlflow.db`` in the user's autometa folder, with artifacts beside it.
        experiment: MLflow experiment that holds the searches.
        close_timeout: Seconds that `Tracker.close` may take.

    Raises:
        OptionError: MLflow cannot track there.
    """
    return MlflowTracker(resolve(uri), experiment=experiment, close_timeout=close_timeout)
