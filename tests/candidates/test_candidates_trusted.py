import builtins
import importlib
import inspect

import pytest

from autometa.candidates import TRUSTED_TYPES

# Modules whose names in a saved model could run, read or write something of the author's choosing.
DANGEROUS = {"builtins", "functools", "importlib", "io", "operator", "os", "pickle", "runpy", "shutil", "socket"}
DANGEROUS |= {"cloudpickle", "codecs", "ctypes", "joblib", "posix", "subprocess", "sys", "tempfile", "types"}


@pytest.mark.parametrize("name", TRUSTED_TYPES)
def test_a_trusted_name_is_a_class_and_runs_no_code_of_the_files_choosing(name: str) -> None:
    module_name, _, attribute = name.rpartition(".")
    assert module_name.partition(".")[0] not in DANGEROUS
    assert not hasattr(builtins, attribute)
    if module_name.partition(".")[0] in ("catboost", "xgboost"):
        pytest.importorskip(module_name)
    named = getattr(importlib.import_module(module_name), attribute)
    assert inspect.isclass(named), f"{name} is not a class: loading a file could call it with anything."
    assert not issubclass(named, BaseException)


def test_the_list_is_sorted_and_without_repetition() -> None:
    assert list(TRUSTED_TYPES) == sorted(set(TRUSTED_TYPES))
