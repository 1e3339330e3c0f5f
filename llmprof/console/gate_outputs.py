"""Decisions on gates: a table for people, JUnit XML, and annotations for GitHub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO
from xml.etree import ElementTree

from llmprof.metrics.gates import Decision, GateVerdict
from llmprof.outputs import write_output
from llmprof.report.text import interval, signed
from llmprof.safe_text import printable

if TYPE_CHECKING:
    from llmprof.jobs.gate import GateResults

# What XML 1.0 has no place for, beyond the control characters that `printable` escapes.
_NO_XML = re.compile("[\ufffe\uffff]")


def print_decisions(results: GateResults, file: TextIO) -> None:
    """Print a line for each gate, and what the whole comes to."""
    for decision in results.decisions:
        print(printable(sentence(decision)), file=file)
    counts = [
        f"{count} {verdict}"
        for verdict in GateVerdict
        if (count := sum(each.verdict is verdict for each in results.decisions))
    ]
    runs = f"{results.after.run_id} compared with {results.before.run_id}"
    print(printable(f"gates: {', '.join(counts)}; run {runs}"), file=file)


def sentence(decision: Decision) -> str:
    """What was decided, and from what."""
    parts = [f"{decision.verdict}: {decision.gate.text}"]
    if decision.change is not None:
        change = f"change {signed(decision.change)}"
        ends = interval(decision.ci_low, decision.ci_high)
        if ends:
            change += f" ({100 * decision.confidence:.4g}% interval {ends})"
        parts.append(f"{change}, {decision.n} {decision.unit}")
    if decision.reason is not None:
        parts.append(decision.reason)
    if decision.needed is not None:
        parts.append(f"about {decision.needed:,} {decision.unit} would tell")
    return "; ".join(parts)


def write_junit(results: GateResults, file: Path) -> None:
    """Write the decisions as JUnit XML, a test case for each gate.

    A gate that cannot tell is skipped, or has failed where the results are `strict`.

    Raises:
        OutputError: the file cannot be written.
    """
    suite = ElementTree.Element("testsuite", name="llmprof gates")
    properties = ElementTree.SubElement(suite, "properties")
    for name, run in (("before", results.before), ("after", results.after)):
        value = _xml_text(f"{run.model}, run {run.run_id}")
        ElementTree.SubElement(properties, "property", name=name, value=value)
    failures = skipped = 0
    for decision in results.decisions:
        gate = decision.gate
        place = ".".join(filter(None, (gate.profiler, gate.dataset)))
        case = ElementTree.SubElement(
            suite, "testcase", classname=_xml_text(place), name=_xml_text(gate.text), time="0"
        )
        said = _xml_text(sentence(decision))
        if results.has_failed(decision):
            failures += 1
            ElementTree.SubElement(case, "failure", message=said, type=str(decision.verdict))
        elif decision.verdict is GateVerdict.UNDECIDED:
            skipped += 1
            ElementTree.SubElement(case, "skipped", message=said)
        else:
            ElementTree.SubElement(case, "system-out").text = said
    counts = {"tests": len(results.decisions), "failures": failures, "errors": 0}
    suite.attrib |= {name: str(count) for name, count in {**counts, "skipped": skipped}.items()}
    ElementTree.indent(suite)
    content = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    write_output(file, content + b"\n")


def _xml_text(text: str) -> str:
    return _NO_XML.sub("\ufffd", printable(text))


def github_commands(results: GateResults) -> Iterator[str]:
    """A workflow command of GitHub for each gate that has not passed."""
    for decision in results.decisions:
        if decision.verdict is GateVerdict.PASSED:
            continue
        level = "error" if results.has_failed(decision) else "warning"
        title = f"gate {decision.verdict}: {decision.gate.text}"
        escaped = _escaped(title).replace(":", "%3A").replace(",", "%2C")
        yield f"::{level} title={escaped}::{_escaped(sentence(decision))}"


def _escaped(text: str) -> str:
    """Text as GitHub's workflow commands take it.

    >>> _escaped("100%\\nsure")
    '100%25%0Asure'
    """
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
