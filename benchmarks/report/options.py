"""What a report can be asked for. Light: the command line offers it, and `render` and `table` answer."""

from typing import Literal, get_args

Format = Literal["text", "markdown", "latex", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
Width = Literal["column", "page"]  # of a paper: one of its two columns, or both
WIDTHS: tuple[Width, ...] = get_args(Width)
PARTS = ("statistics", "validators", "bound", "confusion", "shares", "target_by_domain")
SHORTHANDS = {
    "classes": ("target_class_mean_accuracy", "target_majority_rate", "target_calibration_error"),
    "cost": ("training_seconds", "forward_passes", "backward_passes", "peak_memory_mb", "parameters"),
}
MAPS = ("pca", "tsne")  # how features become two dimensions
