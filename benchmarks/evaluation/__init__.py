"""Scores of saved outputs. Only `oracle` reads target labels."""

from benchmarks.core.objective import Classes

HEADLINE = Classes.headline  # the column that a table is about
