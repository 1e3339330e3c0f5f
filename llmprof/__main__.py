"""`python -m llmprof`."""

from llmprof.cli.start import main

main()
