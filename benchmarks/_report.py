"""Prints a benchmark's table and keeps it in docs/benchmarks, with the command and the versions."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from autometa.search._environment import versions

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "benchmarks"


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[str]], command: str, remarks: str = "") -> None:
    """Print the table and write ``docs/benchmarks/<name>.md``."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    found = ", ".join(f"{library} {version}" for library, version in versions().items())
    machine = f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    text = "\n".join(lines)
    print(text)
    FOLDER.mkdir(parents=True, exist_ok=True)
    body = f"# {name}\n\n`{command}`\n\n{text}\n\n{remarks}{chr(10) * 2 if remarks else ''}{machine}; {found}\n"
    (FOLDER / f"{name}.md").write_text(body, encoding="utf-8")
