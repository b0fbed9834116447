"""Scores of saved outputs. Only `oracle` reads target labels."""

from benchmarks.core.objective import OBJECTIVES, Classes

HEADLINE = Classes.headline  # the column that a table is about, unless a task's objective has another
HEADLINES = {objective.headline: objective(0) for objective in OBJECTIVES.values()}
"""How each column that may be a headline is read."""
