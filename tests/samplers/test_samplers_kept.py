"""What was learned is kept, read again, made anew where it is damaged, and let go where it takes too much room."""

import os
from pathlib import Path

import numpy as np
import pytest

from autometa.samplers import _kept


def ask(file: Path | None, value: float = 1.0, size: int = 1000) -> tuple[float, bool]:
    """The value that came back, and whether it was made."""
    made = []

    def make() -> float:
        made.append(value)
        return value

    got = _kept.kept(file, make, lambda v: {"x": np.full(size, v)}, lambda arrays: float(arrays["x"][0]))
    return got, bool(made)


def test_the_second_time_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.npz"
    assert ask(file, 3.0) == (3.0, True)
    assert ask(file, 4.0) == (3.0, False)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 torn"])
def test_what_is_damaged_is_made_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.npz"
    file.write_bytes(content)
    assert ask(file, 2.0) == (2.0, True)
    assert ask(file, 5.0) == (2.0, False)


def test_without_a_file_or_where_none_can_be_written_it_is_made(tmp_path: Path) -> None:
    assert ask(None) == (1.0, True)
    (tmp_path / "file").write_text("")
    assert ask(tmp_path / "file" / "a.npz") == (1.0, True)


def test_what_was_longest_unused_goes_where_room_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, name in enumerate("abc"):
        ask(tmp_path / f"{name}.npz")
        os.utime(tmp_path / f"{name}.npz", (place, place))
    monkeypatch.setattr(_kept, "MAX_BYTES", 3 * (tmp_path / "a.npz").stat().st_size)
    assert ask(tmp_path / "a.npz") == (1.0, False)  # now b is the oldest
    ask(tmp_path / "d.npz")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "c.npz", "d.npz"]


def test_what_was_just_made_stays_even_if_it_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kept, "MAX_BYTES", 10)
    ask(tmp_path / "a.npz")
    ask(tmp_path / "b.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["b.npz"]
