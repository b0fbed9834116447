"""Office-Caltech10 as SURF histograms (Gong et al., CVPR 2012): 800 visual words, 10 objects.

As usual with these files, a histogram is divided by its sum, and then each word is standardised over all of its
domain's images, without labels. Scored are all images of the target, which training sees without labels (the
transductive protocol). Nearest neighbours of whole domains prepared so give the 12 numbers of Long et al. (ICCV
2013, table 2) exactly; the suite holds source images out, so its numbers are not comparable.
"""

import numpy as np

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets import files
from datasets.base import DomainFamily, Samples

HISTOGRAMS = {
    domain: DataFile(f"Office-Caltech10/SURF_L10/{name}_SURF_L10.mat", sha256)
    for domain, name, sha256 in (
        ("amazon", "amazon", "df32548b994e18d364c99e1f317e1fae100597259f0423a41b90f4f68187bb1f"),
        ("caltech", "Caltech10", "4f9334c8ced489d5054de97a5fd51a61f017f3bcd1f38c9a85c6d78cb9d7bda5"),
        ("dslr", "dslr", "44d673c68e1d07b837893aa74dba3b986e4a6cc3fd66f0dd357683bdef059216"),
        ("webcam", "webcam", "a6a9c78b4b7181dfbb58bcfd351d4ebd737f171c31247b8884948aa156d3f700"),
    )
}


@DATASETS.register(
    "office_caltech_surf",
    DatasetInfo(
        version=1,
        summary="ten objects in four collections of photographs, histograms of 800 SURF words",
        licence="none stated; research use",
        files=tuple(HISTOGRAMS.values()),
        get="ToRelease_GFK/data of GitHub's viggin/domain-adaptation-toolbox, the code of the GFK paper",
    ),
)
class OfficeCaltechSURF(DomainFamily):
    name = "office_caltech_surf"
    domains = tuple(HISTOGRAMS)

    def classes(self, task: str) -> tuple[str, ...]:
        return (
            *("backpack", "bike", "calculator", "headphones", "keyboard"),
            *("laptop", "monitor", "mouse", "mug", "projector"),
        )

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "mlp?width=100&depth=1", "discriminator_layers": "100", "scoring": "transductive"}

    def read_domain(self, domain: str) -> Samples:
        from scipy.io import loadmat

        archive = loadmat(files.checked(HISTOGRAMS[domain]), variable_names=["fts", "labels"])
        counts = archive["fts"].astype(np.float64)
        shares = counts / counts.sum(1, keepdims=True)
        x = (shares - shares.mean(0)) / shares.std(0, ddof=1)
        _, same = np.unique(counts, axis=0, return_inverse=True)  # some photographs are there twice
        return Samples(x.astype(np.float32), archive["labels"].ravel().astype(np.int64) - 1, groups=same)
