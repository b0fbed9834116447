"""Office-Home (Venkateswara et al., CVPR 2017): everyday objects as art, clip art, products, photographs."""

from benchmarks.core.registry import DATASETS, DataFile, DatasetInfo
from datasets.readers.folders import ImageFamily

FOLDER = DataFile("office-home")


@DATASETS.register(
    "office_home",
    DatasetInfo(
        version=3,
        summary="Office-Home: 15,500 images of 65 classes of everyday objects in 4 domains",
        licence="none stated; non-commercial research use",
        files=(FOLDER,),
        get="unpack the authors' archive: office-home/Art/CLASS/*.jpg, Clipart, Product, Real_World",
    ),
)
class OfficeHome(ImageFamily):
    name = "office_home"
    folder = FOLDER
    domains = ("art", "clipart", "product", "real_world")
    # in the order of the numbers in TLlib's lists
    labels = """Drill Exit_Sign Bottle Glasses Computer File_Cabinet Shelf Toys Sink Laptop Kettle Folder Keyboard
        Flipflops Pencil Bed Hammer ToothBrush Couch Bike Postit_Notes Mug Webcam Desk_Lamp Telephone Helmet Mouse
        Pen Monitor Mop Sneakers Notebook Backpack Alarm_Clock Push_Pin Paper_Clip Batteries Radio Fan Ruler Pan
        Screwdriver Trash_Can Printer Speaker Eraser Bucket Chair Calendar Calculator Flowers Lamp_Shade Spoon
        Candles Clipboards Scissors TV Curtains Fork Soda Table Knives Oven Refrigerator Marker"""
