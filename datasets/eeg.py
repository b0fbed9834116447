"""Is a student confused by a video? Ten students' brain waves (Wang et al., AIED workshops 2013), one electrode.

A demonstration of subject to subject, and no benchmark: it is implausibly easy for EEG (within a subject the mean
of one band alone separates the labels with an AUC of .97), and a subject has ten recordings at most. So a task
leaves one subject out, who is trained on without labels and scored whole.

A sample is a recording; its inputs are the mean and the deviation, over time, of the logarithm of each of eight
band powers. The label is what the student said. Three recordings are in the file under two students each, and left
out, since nobody can tell whose they are. With ``standardised=each`` a subject is standardised by the
subject's own recordings, which adapts.
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets import files
from datasets.base import DomainFamily, Domains, Options, Samples
from datasets.har import Standardised
from datasets.readers.standardise import by_sources, each_by_itself

POWERS = DataFile("EEGConfusion/EEG_data.csv", "456be3bfe0cd45500f99d77ae295df2a0aff0cdec7a867bcfd25cc1ed7fb0150")
BANDS = ["Delta", "Theta", "Alpha1", "Alpha2", "Beta1", "Beta2", "Gamma1", "Gamma2"]


@DATASETS.register(
    "eeg",
    DatasetInfo(
        version=1,
        summary="confusion by brain waves, one of ten students left out: a demonstration, implausibly easy",
        licence="none stated; research use",
        files=(POWERS,),
        get="EEG_data.csv of Kaggle's 'Confused student EEG brainwave data'",
    ),
)
class EEG(DomainFamily):
    name = "eeg"
    domains = tuple(str(subject) for subject in range(10))

    def classes(self, task: str) -> tuple[str, ...]:
        return ("clear", "confused")

    def tasks(self) -> list[str]:
        """Nine subjects to the tenth."""
        return ["+".join(other for other in self.domains if other != one) + f"-{one}" for one in self.domains]

    def options(self, task: str) -> type[Options]:
        return Standardised

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "mlp?width=16&depth=1", "discriminator_layers": "16", "scoring": "transductive"}

    def read(self, task: str, options: Options) -> Domains:
        assert isinstance(options, Standardised)
        standardise = by_sources if options.standardised == "source" else each_by_itself
        return standardise(super().read(task, options), options.draw)

    def read_domain(self, domain: str) -> Samples:
        x, y, subjects = _recordings()
        own = subjects == int(domain)
        return Samples(x[own], y[own])


@lru_cache(maxsize=1)
def _recordings() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (n, 16), labels (n,) and subjects (n,)."""
    rows = pd.read_csv(files.checked(POWERS))
    rows[BANDS] = np.log(rows[BANDS])
    recordings = rows.groupby(["subject ID", "VideoID"])
    found = pd.concat([recordings[BANDS].mean(), recordings[BANDS].std()], axis=1)
    own = ~found.duplicated(keep=False).to_numpy()
    y = recordings["user-definedlabeln"].first().to_numpy(np.int64)
    subjects = found.index.get_level_values(0).to_numpy(np.int64)
    return found.to_numpy(np.float32)[own], y[own], subjects[own]
