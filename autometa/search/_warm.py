"""What the knowledge base says to try first, and what a finished search tells it."""

import contextlib
import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import pandas as pd

from autometa.candidates import CANDIDATES
from autometa.datasets import Dataset
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import DatasetRecord, MetaFeatures, Suggestion, TrialReport
from autometa.search._listener import Listener
from autometa.search._options import SearchOptions
from autometa.search._plan import CHOICE, Plan, expected_seconds, reasons
from autometa.search._study import baselines, defaults, quick_first, suited
from autometa.spaces import SearchSpace
from autometa.warmstart import WARM_STARTERS

if TYPE_CHECKING:
    import optuna

TOO_SLOW = 1.0
"""Times a trial's limit that a suggestion may be expected to take."""

_PATIENCE = 5.0  # seconds in which even a large base ends the step it is at


def first_trials(
    dataset: Dataset,
    meta_features: MetaFeatures,
    kb: KnowledgeBase,
    plan: Plan,
    *,
    metric: Metric,
    options: SearchOptions,
    listener: Listener,
) -> list[Suggestion]:
    """What is tried first, in order: what worked elsewhere, what to compare with, every candidate's default.

    Candidates that take part because of what this table is like come first: the base can hardly know of them.

    ``kb`` shows the `advisers` only.
    """
    space = plan.space

    def seconds(one: Suggestion) -> float:
        return expected_seconds(str(one.config[CHOICE]), dataset, plan.splits, one.config)

    found = suggestions(dataset, meta_features, kb, space, metric=metric, options=options, listener=listener)
    found = _in_time(found, seconds, options, listener)
    compared = baselines(space, CHOICE)
    fitting = suited(space, CHOICE, reasons(space.member_names, dataset))
    rest = defaults(space, CHOICE, [str(item.config[CHOICE]) for item in (*found, *compared, *fitting)])
    # Where time is so short that rows are left out, there may be one trial: then the safe ones come first.
    queues = (compared, fitting, found, rest) if plan.sampled else (fitting, found, compared, rest)
    return [item for queue in queues for item in quick_first(queue, seconds)]


def _in_time(
    found: Sequence[Suggestion], seconds: Callable[[Suggestion], float], options: SearchOptions, listener: Listener
) -> list[Suggestion]:
    """The suggestions that a trial has time for; where it has for none, all of them."""
    limit = options.trial_seconds
    quick = [one for one in found if limit is None or seconds(one) <= TOO_SLOW * limit]
    if quick and len(quick) < len(found):
        left_out = ", ".join(sorted({str(one.config[CHOICE]) for one in found if one not in quick}))
        listener.note(f"{len(found) - len(quick)} suggestions are left out as too slow: {left_out}", "skipped")
    return quick or list(found)


def advisers(
    dataset: Dataset, meta_features: MetaFeatures, kb: KnowledgeBase, *, options: SearchOptions, listener: Listener
) -> KnowledgeBase:
    """The base without the datasets that may not advise: those excluded, and the table itself.

    A search that starts from its own past would only flatter itself.

    Raises:
        UnknownNameError: A dataset that is to be excluded is not in the base.
    """
    excluded = {one for name in options.exclude_datasets for one in kb.family(name)}
    own = kb.copies(dataset, meta_features)
    if own:
        names = kb.datasets()["name"].to_dict()
        listed = ", ".join(str(names.get(dataset_id, dataset_id)) for dataset_id in own)
        listener.note(f"{listed} is this table, as far as the knowledge base can tell, and does not advise itself")
    return kb.without(*own, *excluded)


def suggestions(
    dataset: Dataset,
    meta_features: MetaFeatures,
    kb: KnowledgeBase,
    space: SearchSpace,
    *,
    metric: Metric,
    options: SearchOptions,
    listener: Listener,
) -> list[Suggestion]:
    """Configurations that worked on other datasets, best first."""
    if options.warm_start == "none" or not options.warm_trials:
        return []
    found = WARM_STARTERS.create(options.warm_start).suggest(
        meta_features,
        kb,
        space,
        options.warm_trials,
        metric=metric,
        task=dataset.task,
        seed=options.seed,
    )
    found = [_moderated(suggestion) for suggestion in found]
    if not found:
        listener.note("cold start: the knowledge base has no runs for this kind of task")
    return found


def _moderated(suggestion: Suggestion) -> Suggestion:
    """The suggestion without what only costs time, such as the last hundreds of a forest's trees."""
    name = str(suggestion.config[CHOICE])
    limits = {f"{name}.{key}": value for key, value in CANDIDATES.create(name).plenty.items()}
    config = {
        key: limits[key] if isinstance(value, int | float) and value > limits.get(key, inf) else value
        for key, value in suggestion.config.items()
    }
    if config == suggestion.config:
        return suggestion
    return Suggestion(config, replace(suggestion.origin, projected=True))


def learn(
    dataset: Dataset,
    meta_features: MetaFeatures,
    reports: Sequence[TrialReport],
    kb: KnowledgeBase,
    *,
    space: str,
    metric: Metric,
) -> None:
    """Add a search's runs and the table's description to the knowledge base; never a row of the table."""
    known = kb.same_dataset(content_hash=dataset.content_hash)
    dataset_id = known[0] if known else meta_features.dataset_id
    if not known:
        record = DatasetRecord(
            dataset_id,
            dataset.name,
            dataset.task,
            "own searches",
            openml_id=dataset.openml_id,
            content_hash=dataset.content_hash,
        )
        kb.add_dataset(record, meta_features)
    frame = pd.DataFrame(
        [
            {**report.config, "value": report.value, "duration": report.fit_seconds}
            for report in reports
            if report.status == "complete"
        ]
    )
    if len(frame):
        kb.add_runs(dataset_id, space, frame, metric=metric.name, direction=metric.direction, source="own searches")


class GetsReady(Listener):
    """Lets the sampler learn from the base in a thread of its own, once a first trial has shown a score.

    By the time the queue of first trials is empty, it has; meanwhile the loop keeps the limits of running trials.
    """

    def __init__(self) -> None:
        self.sampler: optuna.samplers.BaseSampler | None = None
        self._thread: threading.Thread | None = None

    def trial_finished(self, report: TrialReport) -> None:
        get_ready = getattr(self.sampler, "get_ready", None)
        if get_ready is not None and self._thread is None:
            self._thread = threading.Thread(target=_quietly(get_ready), name="autometa-sampler", daemon=True)
            self._thread.start()

    def ended(self) -> None:
        """Stop it, if the search was over before it was.

        A thread that reads the base when Python ends would keep the process from ending: Arrow waits for what Python's
        end has stopped.
        """
        if self._thread is not None and self._thread.is_alive() and self._thread.ident is not None:
            ident = ctypes.c_ulong(self._thread.ident)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(SystemExit))
            self._thread.join(_PATIENCE)


def _quietly(call: Callable[[], None]) -> Callable[[], None]:
    """What goes wrong early goes wrong again, and is reported, when it is needed; `SystemExit` is how it is stopped."""

    def called() -> None:
        with contextlib.suppress(Exception, SystemExit):
            call()

    return called
