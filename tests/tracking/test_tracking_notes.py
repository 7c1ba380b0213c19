"""What a run's description says, whatever its table is called."""

import shlex

import pytest

from autometa.testing.tracking import sample_info
from autometa.tracking import _notes

PLACE = {"experiment_id": "1", "run_id": "abc"}


def test_names_are_shown_as_they_are() -> None:
    note = _notes.running(sample_info(dataset_name="<b>*my*\n[table](x)</b>"), **PLACE)
    assert note.startswith(r"A search on \<b\>\*my\* \[table\]\(x\)\</b\> (binary classification) ")


@pytest.mark.parametrize("folder", ["runs/credit", "my runs/it's", "a`b", "a``b"])
def test_command_can_be_copied_for_a_folder_of_any_name(folder: str) -> None:
    note = _notes.running(sample_info(folder=folder), **PLACE)
    command = note.partition("Go on with it: ")[2].strip("`").strip()
    assert shlex.split(command) == ["autometa", "tune", "--resume", folder, "--time-limit", "SECONDS"]


def test_a_training_has_curves_and_no_trials_and_is_gone_on_with_by_its_own_command() -> None:
    info = sample_info(dataset_name="digits_mlp", what="training", resume="autometa optimizers train lstm --resume")
    note = _notes.running(info, **PLACE)
    assert note.startswith("A training on digits\\_mlp that runs, or was interrupted.")
    assert note.endswith("Go on with it, options as they were: `autometa optimizers train lstm --resume`")
    assert "Trials" not in note
    assert "Trials" not in _notes.finished(info, {"score": 0.5}, [], **PLACE)


def test_result_without_score_or_report_leads_to_the_trials() -> None:
    note = _notes.finished(sample_info(direction="minimize"), {"best": "svm"}, ["/x/model"], **PLACE)
    assert note.startswith("**Finished** on credit-g (binary classification). [Trials, best first](#/experiments/1/")
    assert "orderByAsc=true" in note
    assert "Report" not in note
