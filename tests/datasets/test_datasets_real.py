"""Real tables: the examples, scikit-learn's own files, OpenML's answers."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sklearn.datasets

from autometa.datasets import read_dataset, read_table
from autometa.errors import TableError

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SKLEARN = Path(sklearn.datasets.__file__).parent
OPENML = ROOT.parent / "shared" / "data" / "openml_responses" / "datasets"


def openml_fixture(number: int) -> Path:
    files = sorted((SKLEARN / "tests" / "data" / "openml" / f"id_{number}").glob("*.arff.gz"))
    if not files:
        pytest.skip("this scikit-learn comes without its test data")
    return files[0]


def test_german_credit() -> None:
    data = read_dataset(EXAMPLES / "credit-g.csv")
    assert (data.name, data.task, data.schema.target) == ("credit-g", "binary", "class")
    assert data.X.shape == (1000, 20)
    assert data.schema.classes == ("bad", "good")
    assert int(data.y.sum()) == 700
    assert len(data.schema.names("numeric")) == 7
    assert len(data.schema.names("categorical")) == 13
    assert not data.X.isna().any().any()
    assert data.X["credit_amount"].sum() == 3271258
    assert data.X["age"].agg(["min", "max"]).tolist() == [19, 75]
    assert data.X["purpose"].nunique() == 10


def test_penguins() -> None:
    data = read_dataset(EXAMPLES / "penguins.csv")
    assert (data.task, data.schema.target) == ("regression", "body_mass_g")
    assert data.X.shape == (342, 7)
    assert data.y.mean() == pytest.approx(4201.754, abs=1e-3)
    assert data.X["sex"].isna().sum() == 9
    assert any(note.startswith("2 rows without a value of 'body_mass_g'") for note in data.notes)


def make_tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_tables", EXAMPLES / "make_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_that_made_german_credit_decodes_a_row(tmp_path: Path) -> None:
    raw = tmp_path / "german.dat"
    raw.write_text(
        "A11, 6, A34, A43, 1169, A65, A75, 4, A93, A101, 4, A121, 67, A143, A152, 2, A173, 1, A192, A201, 1\n",
        encoding="utf-8",
    )
    header, row = make_tables().credit_g(raw)
    with (EXAMPLES / "credit-g.csv").open(encoding="utf-8") as file:
        assert file.readline().strip() == ",".join(header)
        assert [cell.strip('"') for cell in file.readline().strip().split(",")][:5] == row[:5]
    assert row[-1] == "good"


def test_a_file_without_header_is_german_credit_all_the_same(tmp_path: Path) -> None:
    lines = "".join(f"A1{i % 4 + 1}, {i % 9 + 3}, A34, {i * 37 % 101}, {i % 2 + 1}\n" for i in range(40))
    (tmp_path / "german.data").write_text(lines, encoding="utf-8")
    data = read_dataset(tmp_path / "german.data")
    assert data.schema.names() == ["column_1", "column_2", "column_4"]
    assert data.schema.classes == (1, 2)


def test_scikit_learns_own_tables() -> None:
    data = SKLEARN / "data"
    iris = read_table(data / "iris.csv").frame
    assert iris.shape == (150, 5)
    assert iris.iloc[0].tolist() == [5.1, 3.5, 1.4, 0.2, 0.0]
    exercise = read_table(data / "linnerud_exercise.csv")
    assert exercise.frame.to_dict("list")["Chins"][:3] == [5, 2, 12]
    assert "Delimiter space" in exercise.notes[0]
    digits = read_table(data / "digits.csv.gz").frame
    assert digits.shape == (1797, 65)
    np.testing.assert_array_equal(digits.iloc[:, :64], sklearn.datasets.load_digits().data)
    with pytest.raises(TableError, match=r"line 2 of breast_cancer\.csv has 31 and the header names 4 columns"):
        read_table(data / "breast_cancer.csv")


@pytest.mark.parametrize(
    ("number", "shape", "target", "n_classes"),
    [
        (61, (150, 4), "class", 3),
        (3, (3196, 36), "class", 2),
        (62, (101, 17), "type", 7),
        (561, (209, 7), None, 0),
        (40945, (1309, 13), "survived", 2),
        (292, (85, 14), "Y", 2),
    ],
)
def test_openmls_tables(number: int, shape: tuple[int, int], target: str | None, n_classes: int) -> None:
    data = read_dataset(openml_fixture(number), target=target)
    assert (len(data.X), len(data.schema.columns)) == shape
    assert data.n_classes == n_classes


def test_titanic_is_understood() -> None:
    data = read_dataset(openml_fixture(40945), target="survived")
    kinds = {column.name: column.kind for column in data.schema.columns}
    assert kinds["name"] == "text"
    assert kinds["age"] == kinds["fare"] == "numeric"
    assert kinds["sex"] == kinds["embarked"] == kinds["ticket"] == kinds["cabin"] == "categorical"
    assert data.X["age"].isna().sum() == 263


@pytest.mark.skipif(not OPENML.is_dir(), reason="the recorded answers are not on this machine")
def test_anneal_and_page_blocks() -> None:
    anneal = read_dataset(OPENML / "2" / "dataset.arff")
    assert len(anneal.X) == 898
    assert anneal.schema.classes == ("1", "2", "3", "5", "U")
    assert len(anneal.schema.columns) == 38
    blocks = read_table(OPENML / "30" / "dataset_30.pq")
    assert blocks.frame.shape == (4177, 9)
