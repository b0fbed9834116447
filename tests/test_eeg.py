"""Students' brain waves: recordings as samples, and one student left out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from datasets import eeg, files
from datasets.base import forget_tasks, load_task
from datasets.eeg import BANDS, EEG

real = pytest.mark.skipif(
    files.state(eeg.POWERS) != "present", reason=f"no {eeg.POWERS.path} in ${files.VARIABLE}"
)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Rows like the real ones: three moments of each recording."""
    rng = np.random.default_rng(0)
    places = [(subject, video, moment) for subject in range(10) for video in range(10) for moment in range(3)]
    rows = pd.DataFrame(places, columns=["subject ID", "VideoID", "moment"]).drop(columns="moment")
    rows[BANDS] = np.exp(rng.normal(size=(len(rows), len(BANDS))) + rows[["subject ID"]].to_numpy())
    rows["user-definedlabeln"] = (rows["VideoID"] + rows["subject ID"]) % 2
    rows.to_csv(tmp_path / "EEG_data.csv", index=False)
    monkeypatch.setattr(files, "checked", lambda file: tmp_path / "EEG_data.csv")
    eeg._recordings.cache_clear()
    forget_tasks()
    return rows


def test_a_sample_is_a_recording_with_means_and_deviations_of_log_powers(made: pd.DataFrame) -> None:
    samples = EEG().read_domain("3")
    assert samples.x.shape == (10, 16)
    assert samples.y.tolist() == [(video + 3) % 2 for video in range(10)]
    logs = np.log(made[(made["subject ID"] == 3) & (made["VideoID"] == 4)][BANDS].to_numpy())
    assert np.allclose(samples.x[4], [*logs.mean(0), *logs.std(0, ddof=1)], atol=1e-5)


@pytest.mark.usefixtures("made")
def test_one_subject_is_left_out_and_scored_whole() -> None:
    assert EEG().tasks()[3] == "0+1+2+4+5+6+7+8+9-3"
    assert EEG().facts(EEG().tasks()[3]).traits == ("several_sources",)
    for option, own in (("source", False), ("each", True)):
        name = f"eeg/{EEG().tasks()[3]}?standardised={option}"
        assert len(load_task(name, transductive=True).oracle().target_test_y) == 10
        target = load_task(name).train_view().target.x
        assert np.allclose(target.mean(0), 0, atol=1e-4) == own


def test_a_recording_under_two_students_is_left_out(made: pd.DataFrame, tmp_path: Path) -> None:
    copied = made[(made["subject ID"] == 2) & (made["VideoID"] == 5)].assign(**{"subject ID": 7})
    rows = pd.concat([made[(made["subject ID"] != 7) | (made["VideoID"] != 5)], copied])
    rows.to_csv(tmp_path / "EEG_data.csv", index=False)
    eeg._recordings.cache_clear()
    assert [len(EEG().read_domain(subject).y) for subject in ("2", "7", "3")] == [9, 9, 10]


@real
def test_the_real_recordings_are_as_implausibly_easy_as_the_page_says() -> None:
    """The mean of theta alone separates the labels of a subject with an AUC of .97, in the mean."""
    eeg._recordings.cache_clear()
    subjects = [EEG().read_domain(subject) for subject in EEG.domains]
    theta = [np.asarray(subject.x)[:, BANDS.index("Theta")] for subject in subjects]
    found = [roc_auc_score(subject.y, of) for subject, of in zip(subjects, theta, strict=True)]
    assert np.mean([max(auc, 1 - auc) for auc in found]) == pytest.approx(0.97, abs=0.02)
