"""A sampler learns beside the search, and no longer than it."""

import threading
import time

import optuna

from autometa.records import Origin, TrialReport
from autometa.search._warm import GetsReady


class Slow(optuna.samplers.RandomSampler):
    """Takes an hour to get ready."""

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.begun, self.ended = threading.Event(), threading.Event()

    def get_ready(self) -> None:
        try:
            until = time.monotonic() + 3600
            self.begun.set()
            while time.monotonic() < until:
                pass
        finally:
            self.ended.set()


def learning() -> bool:
    return any(thread.name == "autometa-sampler" for thread in threading.enumerate())


def finished(listener: GetsReady) -> None:
    listener.trial_finished(TrialReport(0, "svm", {}, Origin("default"), 0.0))


def test_a_sampler_that_still_learns_stops_when_the_search_is_over() -> None:
    listener, sampler = GetsReady(), Slow()
    listener.sampler = sampler
    finished(listener)
    assert sampler.begun.wait(10)
    listener.ended()
    assert sampler.ended.is_set()
    assert not learning()


def test_there_is_nothing_to_stop_where_no_trial_finished_or_the_sampler_learns_nothing() -> None:
    listener = GetsReady()
    listener.ended()
    listener.sampler = optuna.samplers.RandomSampler(seed=0)
    finished(listener)
    assert not learning()
    listener.ended()


def test_what_goes_wrong_while_it_learns_is_left_to_when_it_is_needed() -> None:
    class Broken(optuna.samplers.RandomSampler):
        def get_ready(self) -> None:
            raise RuntimeError("not now")

    listener = GetsReady()
    listener.sampler = Broken(seed=0)
    finished(listener)
    listener.ended()
