"""What the search sends is what the writer gets."""

import math
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.records import Config
from autometa.testing.tracking import sample_info, sample_report
from autometa.tracking._wire import Finish, Start, Trial, decode, encode, now

_VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


def test_start_arrives_whole() -> None:
    message = Start("sqlite:////x/ä.db", None, "autometa", sample_info(), "abc", now())
    assert decode(encode(message)) == message


def test_finish_arrives_whole() -> None:
    message = Finish({"roc_auc": 0.1 + 0.2, "best": "svm"}, ["/results/model"], now())
    assert decode(encode(message)) == message


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(), _VALUES), st.lists(st.floats(allow_nan=False)), st.text())
def test_trial_arrives_whole_on_one_line(config: Config, scores: list[float], reason: str) -> None:
    message = Trial(sample_report(3, config=config, fold_scores=tuple(scores), reason=reason), 1.5)
    line = encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == message


def test_nan_and_infinities_arrive() -> None:
    scores = (math.nan, math.inf, -math.inf)
    message = decode(encode(Trial(sample_report(0, fold_scores=scores), 0.0)))
    assert isinstance(message, Trial)
    assert math.isnan(message.report.fold_scores[0])
    assert message.report.fold_scores[1:] == scores[1:]


def test_values_of_other_libraries_become_plain_ones() -> None:
    config = MappingProxyType({"n": np.int64(3), "x": np.float32(0.5), "b": np.bool_(True), "p": Path("/a")})
    message = decode(encode(Trial(sample_report(0, config=config, origin=sample_report(1).origin), 0.0)))
    assert isinstance(message, Trial)
    assert message.report.config == {"n": 3, "x": 0.5, "b": True, "p": "/a"}


@pytest.mark.parametrize("line", [b"", b'{"kind":"Trial"', b'{"kind":"Other"}', b'{"kind":'])
def test_damaged_line_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Unknown kind"):
        decode(line)
