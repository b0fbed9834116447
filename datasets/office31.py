"""Office-31 (Saenko et al., ECCV 2010): objects of an office on a shop's pages, and before two kinds of camera."""

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets.readers.folders import ImageFamily

FOLDER = DataFile("office31")


@DATASETS.register(
    "office31",
    DatasetInfo(
        version=3,
        summary="Office-31: 4,110 images of 31 classes of office objects in 3 domains",
        licence="none stated; research use",
        files=(FOLDER,),
        get="unpack the authors' archive so that office31/amazon/images/CLASS/*.jpg, dslr and webcam are there",
    ),
)
class Office31(ImageFamily):
    name = "office31"
    folder = FOLDER
    domains = ("amazon", "dslr", "webcam")
    labels = """back_pack bike bike_helmet bookcase bottle calculator desk_chair desk_lamp desktop_computer
        file_cabinet headphones keyboard laptop_computer letter_tray mobile_phone monitor mouse mug paper_notebook
        pen phone printer projector punchers ring_binder ruler scissors speaker stapler tape_dispenser trash_can"""
