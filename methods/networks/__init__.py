"""Backbones, heads and discriminators, shared by every method."""
