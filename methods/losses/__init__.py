"""Alignment losses: plain functions of tensors, each with its formula and its source."""
