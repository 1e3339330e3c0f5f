"""Computation of text metrics: spaCy pipelines, worker processes and readers of texts."""

from llmprof.backends.text_metrics.describe import create_text_metrics
from llmprof.backends.text_metrics.pipelines import notice_about

__all__ = ["create_text_metrics", "notice_about"]
