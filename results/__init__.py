"""Part of domain-adaptation-benchmarks. Data only: baselines, records and tables of our own runs."""
