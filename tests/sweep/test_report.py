"""What a sweep looks like: on a terminal of 80 columns, as JSON, as SVG and HTML that stand alone."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from rich.console import Console

from harness.report.json_file import dumps
from harness.report.record import ModelRecord
from harness.report.sweep_chart import sweep_html, sweep_svg
from harness.report.sweep_record import (
    OUTCOMES,
    SWEEP_SCHEMA_VERSION,
    ConfirmationRecord,
    ProbeRecord,
    RebuildProbe,
    RebuildRecord,
    SweepMemory,
    SweepRecord,
)
from harness.report.sweep_regions import Axis, regions
from harness.report.sweep_terminal import print_sweep, summary

EVIL = "\x1b[2J::error::<script>alert(1)</script>[bold]"


def probes() -> list[ProbeRecord]:
    found = []
    for k, outcome in enumerate(OUTCOMES[::-1]):
        for size in range(64 + 128 * k, 64 + 128 * (k + 1), 16):
            detail = "" if outcome == "passed" else f"{EVIL} {size}"
            console = (EVIL,) if outcome == "crashed" else ()
            found.append(ProbeRecord(size, outcome, detail, used_bytes=700 if not detail else None, console=console))
    return [*found, ProbeRecord(65536, "passed", used_bytes=700)]


def sample(**changes: object) -> SweepRecord:
    one = ProbeRecord(832, "passed", wall_s=0.01)
    record = SweepRecord(
        schema_version=SWEEP_SCHEMA_VERSION,
        verdict="pass",
        reasons=[],
        notes=[EVIL],
        harness_version="1",
        started_utc="2026-01-01T00:00:00+00:00",
        wall_s=12.5,
        board="host",
        port="/dev/pts/1",
        engine="hostile",
        engine_version=EVIL,
        build_id="00" * 16,
        model=ModelRecord(EVIL, "00" * 32, 1, 2, "keras"),
        vectors=8,
        exhaustive=True,
        capacity_bytes=65536,
        step_bytes=16,
        minimum_bytes=832,
        resolution_bytes=16,
        reported_bytes=700,
        difference_bytes=132,
        planned_bytes=None,
        margin_bytes=16,
        recommended_bytes=848,
        present_bytes=30000,
        present_from="the bundle's setting",
        saved_bytes=29152,
        monotone=True,
        islands=[],
        probes=probes(),
        outcomes=dict.fromkeys(OUTCOMES, 8),
        probed=60,
        resumed=3,
        resets=5,
        flashes=2,
        builds=2,
        probing_s=1.5,
        fresh=False,
        memory=SweepMemory(65536, 3000, 1000),
        confirmed=True,
        confirmation=ConfirmationRecord(848, "pass", [], 64, 1e-6, 1.0),
        rebuild=RebuildRecord([RebuildProbe(832, one, one)], 0.01, 2.0, 200.0, True),
        written=None,
    )
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


def printed(record: SweepRecord, width: int = 80) -> str:
    out = io.StringIO()
    print_sweep(record, Console(file=out, width=width))
    return out.getvalue()


def test_the_terminal_report_has_the_figures_within_80_columns() -> None:
    text = printed(sample())
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    for words in ("832 bytes", "816 fails", "132 too few", "848 bytes", "29,152 (97%)", "200 times faster"):
        assert words in text, words
    for outcome in OUTCOMES:
        assert re.search(rf"^ *{outcome} │.*█", text, re.MULTILINE), outcome
    assert "\x1b" not in text and "::error" not in text


@pytest.mark.parametrize("minimum", [None, 832])
def test_a_sweep_without_a_result_has_a_report_too(minimum: int | None) -> None:
    gone = dict.fromkeys(
        ["resolution_bytes", "reported_bytes", "difference_bytes", "recommended_bytes", "saved_bytes", "confirmed"]
    )
    record = sample(
        minimum_bytes=minimum,
        **(gone if minimum is None else {}),
        confirmation=None,
        rebuild=None,
        memory=SweepMemory(None, None, None),
        verdict="fail",
        reasons=["no"],
        probes=[ProbeRecord(65536, "init failed", "missing 5 bytes", 5)] if minimum is None else probes(),
    )
    assert "FAIL" in printed(record)
    assert sweep_svg(record) and sweep_html(record) and dumps(record) and summary(record)


def test_the_json_has_the_keys_that_were_promised() -> None:
    tree = json.loads(dumps(sample()))
    for key in ("minimum_bytes", "reported_bytes", "recommended_bytes", "monotone", "flashes", "wall_s", "confirmed"):
        assert key in tree
    assert {"size", "outcome"} <= set(tree["probes"][0])
    assert {probe["outcome"] for probe in tree["probes"]} == set(OUTCOMES)


def test_the_svg_is_xml_and_fetches_nothing() -> None:
    root = ET.fromstring(sweep_svg(sample()))
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert len(root.findall(f".//{space}circle")) == len(probes())
    assert not root.findall(f".//{space}script") and not root.findall(f".//{space}image")
    low, high = 0.0, float(root.attrib["width"])
    assert all(low <= float(dot.attrib["cx"]) <= high for dot in root.findall(f".//{space}circle"))


def test_the_html_stands_alone_and_runs_nothing_a_device_said() -> None:
    seen: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            seen.append((tag, dict(attrs)))

    Reader().feed(sweep_html(sample()))
    assert "svg" in {tag for tag, _ in seen}
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in seen}
    assert not any(name in ("src", "href", "onload", "onclick") for _, attrs in seen for name in attrs)


def test_regions_tell_outcomes_apart_and_not_numbers() -> None:
    found = regions(probes())
    assert [region.outcome for region in found] == list(OUTCOMES[::-1])
    assert all(len(region.details) <= 1 for region in found)
    assert sum(region.count for region in found) == len(probes())


@pytest.mark.parametrize(("first", "last"), [(1, 1), (16, 65536), (500, 700), (1, 1 << 20), (16, 17), (4000, 4001)])
def test_an_axis_has_its_ends_at_0_and_1_and_ticks_between(first: int, last: int) -> None:
    axis = Axis(first, last)
    assert axis.place(first) == 0
    assert axis.place(last) == (1 if last > first else 0)
    assert all(first <= tick <= last for tick in axis.ticks())
    assert len(axis.ticks()) <= 14
