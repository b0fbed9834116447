"""VisDA-2017 (Peng et al., 2017): renderings of 3D models, and photographs. Published numbers are class means."""

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets.readers.folders import ImageFamily

FOLDER = DataFile("visda")


@DATASETS.register(
    "visda",
    DatasetInfo(
        version=3,
        summary="VisDA-2017: 152,397 renderings and 55,388 photographs of 12 classes; published as class means",
        licence="none stated; research use",
        files=(FOLDER,),
        get="unpack the challenge's train.tar and validation.tar, so that visda/train/CLASS/*.png is there",
    ),
)
class VisDA(ImageFamily):
    name = "visda"
    folder = FOLDER
    domains = ("train", "validation")
    labels = "aeroplane bicycle bus car horse knife motorcycle person plant skateboard train truck"
