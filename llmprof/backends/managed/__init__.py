"""Servers that llmprof starts, uses and stops: vLLM and any OpenAI-compatible program."""

from llmprof.backends.managed.served_model import create_openai, create_vllm

__all__ = ["create_openai", "create_vllm"]
