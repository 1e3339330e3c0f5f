"""The HTML format of a report: one file that opens without a network."""

from llmprof.report.html.page import write_page

__all__ = ["write_page"]
