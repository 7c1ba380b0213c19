"""What a search runs on: cores, memory, machine, versions."""

import functools
import importlib.metadata
import os
import platform

VERSIONS = ("autometa", "scikit-learn", "numpy", "pandas", "lightgbm", "xgboost-cpu", "catboost", "torch", "optuna")


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def available_memory() -> int | None:
    """Megabytes of memory that programs can still get; None where the system does not say."""
    try:
        with open("/proc/meminfo") as meminfo:
            for line in meminfo:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) // 1024
    except OSError:
        pass
    return None


def machine() -> dict[str, str]:
    """What the search runs on, for the result: two machines may round differently."""
    memory = available_memory()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(cores()),
        "free memory": "unknown" if memory is None else f"{memory} MB",
    }


@functools.cache
def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as cpuinfo:
            for line in cpuinfo:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide what a model does."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
