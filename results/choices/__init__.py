"""Defaults that were measured: scripts that choose one without target labels, and what they measured (``*.csv``)."""
