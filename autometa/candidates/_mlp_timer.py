"""How much of the time for a fit is over, in steps that can be repeated without a clock."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Literal, get_args

from autometa.errors import OptionError

Phase = Literal["training", "fallback", "refit"]

LEVELS = 32
PHASES: tuple[Phase, ...] = get_args(Phase)


class Timer:
    """Measures time in 32nds of the limit, and remembers the step of training at which each was over.

    What the time decides, the learning rate and the end of training, then follows from these steps alone. Given
    the `record` of a fit as ``replay``, another timer says the same at the same steps and looks at no clock. A training
    that begins again, the phase ``fallback``, has all of its learning rate ahead: for it the time that was left is all.

    Args:
        started: The `time.monotonic` time from which ``limit`` counts.
        limit: Seconds; None never ends training.
        replay: Another timer's `record`; the limit does not matter then.

    Raises:
        OptionError: ``replay`` is no such record.
    """

    def __init__(self, started: float, limit: float | None, replay: Mapping[str, int] | None = None) -> None:
        self._started = started
        self._limit = limit
        self._replay = None if replay is None else _parse(replay)
        self._level: Counter[str] = Counter()
        self._spent = 0
        self._seen: dict[str, int] = {}
        self._had_a_say = False

    @property
    def record(self) -> dict[str, int]:
        """The step (from 0) at which each 32nd was first seen to be over, such as ``{"training 2/32": 17}``.

        Empty where the time decided nothing.
        """
        return dict(self._seen) if self._had_a_say else {}

    def progress(self, phase: Phase, step: int, share_of_epochs: float) -> tuple[float, bool]:
        """How much of the training is over before a step, in [0, 1], and whether its time is.

        ``phase`` is one of ``PHASES``; call it once for each step, in order.
        """
        level = self._measure(phase, step)
        if level > self._level[phase]:
            self._level[phase] = level
            self._seen[_key(phase, level)] = step
        if phase == "fallback" and step == 0:
            self._spent = self._level[phase]
        spent = self._spent if phase == "fallback" else 0
        share_of_time = (self._level[phase] - spent) / (LEVELS - spent) if spent < LEVELS else 1.0
        self._had_a_say |= share_of_time > share_of_epochs
        return max(share_of_epochs, share_of_time), share_of_time >= 1.0

    def _measure(self, phase: Phase, step: int) -> int:
        if self._replay is not None:
            return self._replay.get((phase, step), 0)
        if self._limit is None:
            return 0
        return min(LEVELS, int(LEVELS * (time.monotonic() - self._started) / self._limit))


def _key(phase: Phase, level: int) -> str:
    return f"{phase} {level}/{LEVELS}"


def _parse(record: Mapping[str, int]) -> dict[tuple[Phase, int], int]:
    """The level that is reached at each (phase, step)."""
    known = {_key(phase, level): (phase, level) for phase in PHASES for level in range(1, LEVELS + 1)}
    levels: dict[tuple[Phase, int], int] = {}
    for key, step in record.items():
        if key not in known or isinstance(step, bool) or not isinstance(step, int) or step < 0:
            raise OptionError(
                f"replay must be the training_record_ of a fit, but it holds {key!r}: {step!r}. Pass it unchanged, or "
                "None to train by the clock."
            )
        phase, level = known[key]
        levels[phase, step] = max(level, levels.get((phase, step), 0))
    return levels
