"""``autometa predict``: one prediction for each row that a person sees, right or refused."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autometa
from autometa.cli import main

N = 120
QUICK: dict[str, Any] = {"trials": 1, "jobs": 1, "warm_start": "none", "mlflow": False, "learn": False}


def frame(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Each column helps to tell the label, so that one that is misread changes the answers."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    flip = [np.where(rng.random(n) < 0.15, 1 - y, y) for _ in range(4)]
    return pd.DataFrame(
        {
            "number": flip[0] * 3.0 + rng.normal(size=n).round(3),
            "code": np.array(["007", "V27"])[flip[1]],
            "member": flip[2] == 1,
            "day": pd.to_datetime("2024-01-01") + pd.to_timedelta(flip[3] * 40 + rng.integers(0, 9, n), unit="D"),
            "extra": rng.integers(0, 9, n),
            "label": np.array(["=no", "yes"])[y],
        }
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the table with hostile labels."""
    folder = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMETA_HOME", str(folder / "home"))
        autometa.tune(
            frame(),
            **QUICK,
            candidates=["logistic_regression"],
            output=folder / "out",
        )
    return folder / "out"


@pytest.fixture(scope="module")
def one_column(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of one numeric column: y is twice a."""
    folder = tmp_path_factory.mktemp("predict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMETA_HOME", str(folder / "home"))
        a = np.linspace(0, 1, 40) ** 2
        autometa.tune(
            pd.DataFrame({"a": a, "y": 2 * a}),
            **QUICK,
            candidates=["ridge"],
            output=folder / "out",
        )
    return folder / "out"


class Predict:
    """Runs the command in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """Exit code, what was printed, and what was said on the side."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["autometa", "predict", *map(str, arguments)])
            try:
                main.main()
                code = 0
            except SystemExit as end:
                code = int(end.code or 0)
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def table(self, model: Path, content: str | bytes | pd.DataFrame) -> pd.DataFrame:
        """The exact predictions for a table."""
        output = self.folder / "p.parquet"
        code, _, err = self(model, self.save(content), "--output", output)
        assert code == 0, err
        return pd.read_parquet(output)

    def refused(self, model: Path, content: str | bytes | pd.DataFrame) -> str:
        code, out, err = self(model, self.save(content))
        assert (code, out) == (2, "")
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        return err

    def save(self, content: str | bytes | pd.DataFrame) -> Path:
        path = self.folder / "new.csv"
        if isinstance(content, pd.DataFrame):
            content.to_csv(path, index=False)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


@pytest.fixture
def predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Predict:
    return Predict(tmp_path, capsys)


SAME: dict[str, Any] = {
    "as it was": lambda t: t,
    "without the target": lambda t: t.drop(columns="label"),
    "other columns, in another order": lambda t: t.assign(new="x", other=1.5)[[*t.columns[::-1], "new", "other"]],
    "numbers as text": lambda t: t.assign(number=t["number"].map("{:+.3f}".format)),
    "numbers with thousands": lambda t: t.assign(number=t["number"].map("{:,.3f}".format)),
    "truth as words": lambda t: t.assign(member=t["member"].map({True: "YES", False: "no"})),
    "truth as numbers": lambda t: t.assign(member=t["member"].astype(float)),
    "dates as text": lambda t: t.assign(day=t["day"].dt.strftime("%d.%m.%Y")),
    "dates with a time": lambda t: t.assign(day=t["day"].dt.strftime("%Y-%m-%dT00:00:00Z")),
    "names with spaces around": lambda t: t.rename(columns=lambda name: f" {name} "),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_the_same_table_in_another_form_gives_the_same(change: Any, model: Path, predict: Predict) -> None:
    fresh = frame(40, seed=1)
    expected = autometa.load_model(model).predict_proba(fresh)
    found = predict.table(model, change(fresh))
    assert list(found) == ["prediction", "probability_=no", "probability_yes"]
    assert found.iloc[:, 1:].to_numpy() == pytest.approx(expected, abs=1e-6)
    assert (found["prediction"] == fresh["label"]).mean() > 0.8


def test_one_row_is_read_as_the_whole_table_was(model: Path, predict: Predict) -> None:
    fresh = frame(40, seed=1)
    together = predict.table(model, fresh)
    alone = [predict.table(model, fresh.iloc[[i]]) for i in range(6)]
    assert set(fresh["code"].iloc[:6]) == {"007", "V27"}
    assert pd.concat(alone)["probability_yes"].to_numpy() == pytest.approx(together["probability_yes"][:6], abs=1e-6)


def test_unseen_categories_and_gaps_get_predictions(model: Path, predict: Predict) -> None:
    found = predict.table(model, frame(9).assign(code="violet", number=np.nan, day=None, member=None))
    assert len(found) == 9
    assert found.notna().all(axis=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="day"), "Column 'day' of the table that was learned from must be there"),
        (lambda t: t.rename(columns={"number": "Number"}), "Did you mean 'Number'"),
        (lambda t: t.assign(number="much"), "'number' must hold a number in every row, but row 1 holds 'much'"),
        (lambda t: t.assign(number=["1", *["2020-01-01"] * 8]), "'number' must hold a number .* row 2 holds"),
        (lambda t: t.assign(day=20240101), "'day' holds dates, but here it holds numbers"),
        (lambda t: t.assign(day="soon"), "'day' must hold a date"),
        (lambda t: t.assign(member=[*[1] * 8, 2]), "'member' must hold true or false .* row 9 holds '2'"),
        (lambda t: t.iloc[:0], "has a header but no rows"),
    ],
)
def test_what_cannot_be_read_as_it_was_learned_is_refused(
    change: Any, message: str, model: Path, predict: Predict
) -> None:
    with pytest.raises(ValueError, match=message):
        raise ValueError(predict.refused(model, change(frame(9))))


def test_a_blank_line_in_a_table_of_one_column_is_a_row(one_column: Path, predict: Predict) -> None:
    found = predict.table(one_column, "a\n0.25\n\n0.75\n")["prediction"]
    assert len(found) == 3
    assert found[[0, 2]].to_numpy() == pytest.approx([0.5, 1.5], abs=0.05)
    assert len(predict.table(one_column, "a\n\n\n0.5\n")) == 3


def test_blank_lines_at_the_end_of_one_column_are_told_to_be_no_rows(one_column: Path, predict: Predict) -> None:
    code, out, err = predict(one_column, predict.save("a\n0.25\n0.5\n\n\n"))
    assert (code, out.count("\n")) == (0, 3)
    assert err == "note: Blank lines at the end are no rows.\n"


@pytest.mark.parametrize("blank", ["\n", "\r\n", "\n\n"])
def test_a_blank_line_between_rows_of_more_columns_is_refused(blank: str, one_column: Path, predict: Predict) -> None:
    error = predict.refused(one_column, f"a,b\n0.25,1\n{blank}0.5,2\n")
    assert "one prediction, but line 3 between two rows is blank" in error
    assert ("2 such lines" in error) == (blank == "\n\n")
    assert len(predict.table(one_column, "\n\na,b\n0.25,1\n,\n0.5,2\n\n\n")) == 3
    assert len(predict.table(one_column, 'a,b\n0.25,"x\n\ny"\n0.5,z\n')) == 2


def test_how_a_table_was_read_is_told_where_it_is_unusual(one_column: Path, predict: Predict) -> None:
    _, _, err = predict(one_column, predict.save("a;b\n0,25;1\n0,5;2\n"))
    assert err == "note: Delimiter semicolon, encoding UTF-8, decimal mark ','.\n"
    _, _, err = predict(one_column, predict.save("a,b\n0.25,1\n0.5,2\n"))
    assert err == ""


def test_csv_holds_nothing_that_a_spreadsheet_would_run(model: Path, predict: Predict) -> None:
    fresh = predict.save(frame(40))
    _, printed, _ = predict(model, fresh)
    predict(model, fresh, "--output", predict.folder / "p.csv")
    for text in (printed, (predict.folder / "p.csv").read_text()):
        cells = [cell for line in text.splitlines() for cell in line.split(",")]
        assert {"'=no", "yes"} <= set(cells)
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert set(predict.table(model, frame(40))["prediction"]) == {"=no", "yes"}


def test_an_output_that_cannot_be_written_is_refused(one_column: Path, predict: Predict) -> None:
    table = predict.save("a\n1\n2\n")
    code, _, err = predict(one_column, table, "--output", "p.xlsx")
    assert (code, "--output must end in .csv or .parquet, got 'p.xlsx'" in err) == (2, True)
    code, _, err = predict(one_column, table, "--output", predict.folder / "no" / "p.csv")
    assert (code, "Choose another --output" in err) == (2, True)
