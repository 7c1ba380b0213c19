"""How much each column matters to the best model of a search, measured in the time that is left."""

import time

from autometa.metrics import Metric
from autometa.search._clock import Clock
from autometa.search._finish import REPORT_SECONDS
from autometa.search._folder import SearchFolder
from autometa.search._listener import Listener
from autometa.search._options import SearchOptions
from autometa.search._pool import WorkerPool
from autometa.search._trials import TrialLoop, balanced


def weigh_columns(
    loop: TrialLoop,
    *,
    pool: WorkerPool,
    folder: SearchFolder,
    metric: Metric,
    options: SearchOptions,
    clock: Clock,
    listener: Listener,
    most_seconds: float,
) -> str:
    """Measure, and leave the values in the folder.

    Args:
        loop: What the search found.
        pool: Runs it; no other job is running.
        folder: Of the search.
        metric: What is lost without a column.
        options: Of the search.
        clock: Knows what time is left.
        listener: Is told that it begins.
        most_seconds: What it may take, however much time is left.

    Returns:
        Of which model the values are, or why there are none.
    """
    folder.importances.unlink(missing_ok=True)
    left = min(most_seconds, clock.remaining() - REPORT_SECONDS)
    quick = [report for report in loop.complete() if loop.refit_seconds(report) < 0.5 * left]
    if not quick:
        return "There was no time left to measure them."
    listener.phase("measuring which columns matter")
    best = quick[0]
    arguments = {
        "data": str(folder.data),
        "splits": str(loop.evaluation.splits),
        "config": best.config,
        "metric": metric.name,
        "seed": options.seed,
        "threads": options.threads,
        "balanced": balanced(loop.evaluation.balanced, best.candidate),
        "output": str(folder.importances),
        "seconds": left - 0.2,
    }
    outcome = pool.run(
        "autometa.search._evaluate:weigh_columns",
        arguments,
        memory_mb=options.trial_memory,
        deadline=time.monotonic() + left + 0.5,
    )
    if outcome.status != "ok":
        return f"They could not be measured: {outcome.reason or outcome.status}."
    measured, of = outcome.value["columns"], outcome.value["of"]
    some = "" if measured == of else f"; there was time for {measured} of {of} columns"
    return f"Of trial {best.number}, {best.candidate}, on the rows held out in the first split{some}."
