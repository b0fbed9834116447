"""The images of Office-Caltech10 (Gong et al., CVPR 2012): the 10 classes that Office-31 and Caltech-256 share.

Read from the zip as it is, or from folders beside it, where it was unpacked.
"""

import zipfile
from pathlib import Path
from typing import ClassVar

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets import files
from datasets.files.images import File
from datasets.readers.folders import ImageFamily

ARCHIVE = DataFile(
    "Office-Caltech10/office_caltech10_images.zip",
    "0e98f14912af7faa9ecd05787c70a53fbc36e3dc460f1dbcedea94d54a150f5d",
)


@DATASETS.register(
    "office_caltech",
    DatasetInfo(
        version=3,
        summary="Office-Caltech10: 2,533 images of 10 classes of office objects in 4 domains",
        licence="Office-31: none stated, research use; Caltech-256: CC BY 4.0",
        files=(ARCHIVE,),
        get="GitHub's redhat12345/OfficeCaltechDomainAdaptation: Office-Caltech10/amazon/CLASS/*.jpg and so on",
    ),
)
class OfficeCaltech(ImageFamily):
    name = "office_caltech"
    folder = ARCHIVE
    domains = ("amazon", "caltech", "dslr", "webcam")
    folders: ClassVar = {"caltech": "caltech10"}
    labels = "backpack bike calculator headphones keyboard laptop monitor mouse mug projector"

    def root(self) -> File:
        return self._unpacked() or zipfile.Path(files.checked(ARCHIVE))

    def files(self, task: str) -> tuple[DataFile, ...]:
        return () if self._unpacked() else (ARCHIVE,)

    def _unpacked(self) -> Path | None:
        folder = (files.directory() or Path()) / "Office-Caltech10"
        return folder if (folder / "amazon").is_dir() else None
