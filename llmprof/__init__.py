"""llmprof profiles language models: toxicity, bias, text, calibration, benchmarks."""

__version__ = "0.1.0"
