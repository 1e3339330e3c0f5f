"""Runs a Hugging Face model on this machine: loading, log-likelihoods, generation, embeddings."""

from llmprof.backends.huggingface.backend import create

__all__ = ["create"]
