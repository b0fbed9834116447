"""The harness: plans seeded grids of domain adaptation runs, executes them and reports the records."""

__version__ = "0.1.0"
