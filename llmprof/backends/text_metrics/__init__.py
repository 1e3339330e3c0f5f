"""Computation of text metrics: spaCy pipelines, worker processes and readers of texts."""
