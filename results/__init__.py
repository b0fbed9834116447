"""Data only: baselines, records and tables of our own runs."""
