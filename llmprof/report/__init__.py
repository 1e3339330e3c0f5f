"""Reads results and shows them."""
