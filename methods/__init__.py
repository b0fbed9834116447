"""Part of domain-adaptation-benchmarks. One file a method.

To add one, copy the shape of the shortest file here; nothing else changes.
"""
