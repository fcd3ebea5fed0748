"""A run as JUnit XML: one suite per run, one case per check, identity and figures as properties."""

from __future__ import annotations

from xml.etree import ElementTree as Xml  # only writes; nothing foreign is parsed

from harness.errors import HilError
from harness.report.checks import checks
from harness.report.classes import classes_properties
from harness.report.numbers import count, micros, small
from harness.report.record import RunRecord
from harness.report.safe_text import printable


def run_junit(record: RunRecord) -> str:
    """XML text of a finished run."""
    found = checks(record)
    failures = sum(not check.passed for check in found)
    name = f"hil {record.model.name} on {record.board}"
    suite = _suite(name, tests=len(found), failures=failures, errors=0, time_s=record.wall_s)
    suite.set("timestamp", printable(record.started_utc))
    properties = Xml.SubElement(suite, "properties")
    for key, value in _properties(record).items():
        Xml.SubElement(properties, "property", name=key, value=printable(value))
    for check in found:
        case = Xml.SubElement(
            suite, "testcase", classname=_class(record.board, record.engine), name=check.name, time="0"
        )
        if not check.passed:
            failure = Xml.SubElement(case, "failure", type=check.name, message=printable(check.detail))
            failure.text = "\n".join(printable(reason) for reason in record.reasons)
    Xml.SubElement(suite, "system-out").text = "\n".join(printable(line) for line in record.console)
    return _document(suite)


def error_junit(error: HilError, *, board: str, model: str) -> str:
    """XML text of a run that ended in an error before it had a result."""
    suite = _suite(f"hil {model} on {board}", tests=1, failures=0, errors=1, time_s=0.0)
    case = Xml.SubElement(suite, "testcase", classname=_class(board, None), name="run", time="0")
    element = Xml.SubElement(case, "error", type=type(error).__name__, message=printable(error.what))
    element.text = "\n".join(printable(line) for line in str(error).split("\n"))
    Xml.SubElement(suite, "system-out").text = "\n".join(printable(line) for line in error.console)
    return _document(suite)


def _properties(record: RunRecord) -> dict[str, str]:
    cross = record.accuracy.board_vs_keras
    arena = record.memory.arena
    found = {
        "verdict": record.verdict,
        "board": record.board,
        "engine": f"{record.engine} {record.engine_version}",
        "mcu": record.target.mcu,
        "port": record.target.port,
        "build_id": record.build_id,
        "toolchain": record.toolchain,
        "model": record.model.name,
        "model_sha256": record.model.sha256,
        "vectors": str(record.vectors),
        "board_vs_keras_max_abs": small(cross.max_abs),
        "board_vs_keras_rmse": small(cross.rmse),
        "latency_us_median": micros(record.latency.us.median),
        "arena_used_bytes": str(arena.used_bytes),
        "arena_capacity_bytes": str(arena.capacity_bytes),
        "flash_bytes": str(record.memory.flash_bytes),
        "ram_bytes": str(record.memory.ram_bytes),
        "outputs_sha256": record.outputs_sha256,
    }
    if record.notes:
        found["notes"] = "; ".join(record.notes)
    if record.conversion is not None:
        found["at_fault"] = record.conversion.at_fault
        found["tflite_sha256"] = record.conversion.tflite_sha256
        for name in ("converted_vs_keras", "board_vs_converted"):
            metrics = getattr(record.accuracy, name)
            found[f"{name}_max_abs"] = small(metrics.max_abs if metrics else None)
    found |= classes_properties(record)
    if record.latency.cycles is not None:
        found["latency_cycles_median"] = count(record.latency.cycles.median).replace(",", "")
    return found


def _suite(name: str, *, tests: int, failures: int, errors: int, time_s: float) -> Xml.Element:
    counts = {"tests": str(tests), "failures": str(failures), "errors": str(errors), "skipped": "0"}
    return Xml.Element("testsuite", {"name": printable(name), **counts, "time": f"{time_s:.3f}"})


def _class(board: str, engine: str | None) -> str:
    return printable(".".join(part for part in ("hil", board, engine) if part))


def _document(suite: Xml.Element) -> str:
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"
