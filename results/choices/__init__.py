"""Defaults that were measured: scripts that choose one without target labels, and their figures (``*.csv``)."""
