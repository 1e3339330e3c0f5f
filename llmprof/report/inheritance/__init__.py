"""The report of `llmprof inherit`: the same tables on the terminal, in Markdown, HTML and LaTeX."""

from llmprof.report.inheritance.documents import write_documents
from llmprof.report.inheritance.findings import (
    ArmFacts,
    CurvePoint,
    Finding,
    Inheritance,
    verdict,
)
from llmprof.report.inheritance.sheets import remarks_of, sheets_of

__all__ = [
    "ArmFacts",
    "CurvePoint",
    "Finding",
    "Inheritance",
    "remarks_of",
    "sheets_of",
    "verdict",
    "write_documents",
]
