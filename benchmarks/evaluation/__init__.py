"""Scores of saved outputs. Only `oracle` reads target labels."""

from benchmarks.core.objective import Objective

HEADLINE = Objective.headline  # the column that a table is about
