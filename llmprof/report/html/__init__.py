"""One HTML file that shows a report and opens without a network."""

from llmprof.report.html.page import write_page

__all__ = ["write_page"]
