"""Servers that llmprof starts, uses and stops: vLLM and any OpenAI-compatible program."""

from llmprof.backends.managed.own_command import create_openai
from llmprof.backends.managed.vllm_serve import create_vllm

__all__ = ["create_openai", "create_vllm"]
