"""Importing autometa, and asking for help, must not load what they do not need."""

import subprocess
import sys

import pytest

import autometa

HEAVY = {
    "torch",
    "mlflow",
    "openml",
    "optuna",
    "lightgbm",
    "xgboost",
    "catboost",
    "skrub",
    "pandas",
    "sklearn",
    "numpy",
}


def loaded_after(code: str) -> set[str]:
    probe = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return {name for name in done.stdout.split() if name in HEAVY}


def test_import_autometa_loads_nothing_heavy() -> None:
    assert loaded_after("import autometa") == set()


def test_help_loads_nothing_heavy() -> None:
    code = "from autometa.cli.main import app\ntry: app(['tune', '--help'])\nexcept SystemExit: pass"
    assert loaded_after(code) == set()


@pytest.mark.parametrize("name", autometa.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(autometa, name) is not None
    assert name in dir(autometa)


def test_there_are_few_public_names() -> None:
    assert len(autometa.__all__) <= 15
    assert sorted(autometa.__all__) == autometa.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = autometa.nothing  # type: ignore[attr-defined,unused-ignore]
