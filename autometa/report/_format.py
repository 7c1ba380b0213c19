"""Numbers and times as people read them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from autometa.records import Config, ConfigValue, Origin, TrialReport
from autometa.report._data import ReportData

NOTHING = "–"
_DIGITS = 4
_MOST_DECIMALS = 8
_SCIENTIFIC = 1e9  # from here on numbers are written with an exponent


@dataclass(frozen=True, slots=True)
class ScoreFormat:
    """Writes all scores of a page with the same number of decimals, so that they align."""

    decimals: int

    @classmethod
    def for_data(cls, data: ReportData) -> "ScoreFormat":
        """As many decimals as give the model's score, or the smallest baseline's where it is 0, four digits."""
        scores = [data.score, *(baseline.score for baseline in data.baselines if baseline.score is not None)]
        sizes = [abs(score) for score in scores if score and math.isfinite(score)]
        if not sizes:
            return cls(_DIGITS)
        size = abs(data.score) if abs(data.score) in sizes else min(sizes)
        if 0.1 <= size <= 1:
            return cls(_DIGITS)
        return cls(_decimals(size, _DIGITS))

    def __call__(self, value: float | None) -> str:
        if value is None or not math.isfinite(value):
            return NOTHING
        text = f"{value:,.{self.decimals}f}"
        return f"{value:.3e}" if len(text) > 16 else text.replace("-", "−")

    def signed(self, value: float) -> str:
        """With a plus or minus."""
        return ("+" if value >= 0 else "") + self(value)


def spread(fold_scores: Sequence[float]) -> float | None:
    """Standard deviation over the folds (ddof 0, as in leaderboard.csv); None for fewer than two."""
    return float(np.std(fold_scores)) if len(fold_scores) > 1 else None


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 trial``, ``1,200 trials``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number(value: float | None, digits: int = 4) -> str:
    """A number with that many significant digits, whole thousands kept."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value != 0 and not 1e-4 <= abs(value) < _SCIENTIFIC:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    text = f"{value:,.{_decimals(value, digits)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def aligned(values: Iterable[float], digits: int = 3) -> Callable[[float], str]:
    """Writes all of these numbers with the decimals that give the largest so many digits."""
    known = [abs(value) for value in values if math.isfinite(value)]
    largest = max(known, default=0.0)
    if largest >= _SCIENTIFIC or 0 < largest < 1e-5:
        return lambda value: f"{value:.{digits - 1}e}".replace("-", "−") if math.isfinite(value) else NOTHING
    decimals = _decimals(largest, digits)
    return lambda value: f"{value:,.{decimals}f}".replace("-", "−") if math.isfinite(value) else NOTHING


def _decimals(value: float, digits: int) -> int:
    size = math.floor(math.log10(abs(value))) if value else 0
    return min(_MOST_DECIMALS, max(0, digits - 1 - size))


def share(value: float, decimals: int = 0) -> str:
    """A share of 1 in percent; a small one that is not 0 is never written as 0, nor a part as the whole."""
    if not math.isfinite(value):
        return NOTHING
    least = 10.0**-decimals
    percent = 100 * value
    if 0 < percent < least:
        return f"<{least:.{decimals}f} %"
    if 100 - least < percent < 100:
        return f">{100 - least:.{decimals}f} %"
    return f"{percent:.{decimals}f} %"


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    plain = text.strip().rstrip(".")
    return f"{plain[0].upper()}{plain[1:]}." if plain else ""


def duration(seconds: float | None) -> str:
    """``0.42 s``, ``12.3 s``, ``4 min 10 s``, ``2 h 5 min``."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def memory(megabytes: float | None) -> str:
    """``830 MB``, ``2.1 GB``."""
    if megabytes is None or not math.isfinite(megabytes):
        return NOTHING
    return f"{megabytes:,.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:,.1f} GB"


def moment(created: str) -> str:
    """An ISO 8601 time for people; anything else as it is."""
    try:
        when = datetime.fromisoformat(created)
    except ValueError:
        return created
    return f"{when.day} {when:%B %Y, %H:%M} {when.tzname() or ''}".strip()


def setting(value: ConfigValue) -> str:
    """A hyperparameter's value."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings(candidate: str, config: Config) -> dict[str, str]:
    """A candidate's hyperparameters by their short names, without the choice of the candidate itself."""
    prefix = f"{candidate}."
    return {
        key.removeprefix(prefix): setting(value)
        for key, value in config.items()
        if not (key == "candidate" and value == candidate)
    }


def kind_of_origin(origin: Origin) -> str:
    """``warm``, ``default`` (the baselines among them) or ``sampler``."""
    if origin.strategy in ("default", "baseline", "suited"):
        return "default"
    return "sampler" if origin.strategy == "sampler" else "warm"


def origin_text(origin: Origin) -> str:
    """Strategy, dataset, distance and rank in one line."""
    return ", ".join(filter(None, (origin_source(origin), origin_place(origin))))


def origin_source(origin: Origin) -> str:
    """Strategy and dataset."""
    dataset = origin.dataset_name or origin.dataset_id
    return f"{origin.strategy}: {dataset}" if dataset else origin.strategy


def origin_place(origin: Origin) -> str:
    """Distance and rank."""
    parts = []
    if origin.distance is not None and math.isfinite(origin.distance):
        parts.append(f"distance {origin.distance:.3g}")
    if origin.rank is not None:
        parts.append(f"rank {origin.rank}")
    return ", ".join(parts)


def seconds_of(report: TrialReport) -> float | None:
    """How long a trial ran."""
    return None if report.ended is None else max(0.0, report.ended - report.started)


def listed(values: Mapping[str, str]) -> str:
    """``name value · name value``."""
    return " · ".join(f"{name} {value}" for name, value in values.items())
