"""Scores of saved outputs. Only `oracle` reads target labels."""
