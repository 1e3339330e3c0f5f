"""`python -m llmprof`."""

from llmprof.cli.app import main

main()
