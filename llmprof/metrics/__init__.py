"""Samples, measures and their intervals."""
