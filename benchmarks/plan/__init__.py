"""From suites and flags to the list of runs."""
