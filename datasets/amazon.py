"""Amazon reviews (Blitzer et al., ACL 2007) as Chen et al. (ICML 2012) prepared them and JMLR 2016 split them.

Counts of 5,000 uni- and bigrams; is the review positive? The 2,000 labelled reviews of a domain are for training,
its given test file for testing. The published files repeat reviews: 85 to 152 of the rows of a domain's training
file are in its test file too, and many are there twice. They stay, since the published numbers are on them.
"""

from functools import lru_cache

import numpy as np

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets import files
from datasets.base import DomainFamily, Samples

WORDS = 5000
REVIEWS = DataFile(
    "AmazonReviews/amazon_reviews_msda5000.npz", "c4579e12829e7c18339c7906dedb8f571de72a5c9794b31d1a907c8fe528d6c8"
)


@DATASETS.register(
    "amazon",
    DatasetInfo(
        version=1,
        summary="product reviews of four kinds of goods, 5,000 counts of words and pairs of words",
        licence="none stated; research use",
        files=(REVIEWS,),
        get="the .svmlight files of GitHub's GRAAL-Research/domain_adversarial_neural_network, as CSR in an .npz",
    ),
)
class Amazon(DomainFamily):
    name = "amazon"
    domains = ("books", "dvd", "electronics", "kitchen")

    def classes(self, task: str) -> tuple[str, ...]:
        return ("negative", "positive")

    def protocol(self, task: str) -> dict[str, str]:
        return {"backbone": "mlp?width=50&depth=1", "discriminator_layers": ""}

    def read_domain(self, domain: str) -> Samples:
        parts = [_read(domain, part) for part in ("train", "test")]
        x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Samples(x, y, test=np.repeat([False, True], [len(part[1]) for part in parts]))


def _read(domain: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Counts (n, 5000) float32 and labels of one of the published files."""
    from scipy.sparse import csr_matrix

    archive = _archive()
    data, indices, rows, y = (archive[f"{domain}_{part}_{name}"] for name in ("data", "indices", "indptr", "y"))
    counts = csr_matrix((data, indices, rows), shape=(len(y), WORDS))
    return counts.toarray().astype(np.float32), y.astype(np.int64)


@lru_cache(maxsize=1)
def _archive() -> dict[str, np.ndarray]:
    return files.arrays(REVIEWS)
