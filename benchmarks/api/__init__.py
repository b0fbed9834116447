"""The suite from Python: a grid's records, advice on a target without labels, and trained models."""

from benchmarks.api.advice import Advice, advise
from benchmarks.api.grid import load_model, run_grid

__all__ = ["Advice", "advise", "load_model", "run_grid"]
