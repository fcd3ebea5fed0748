"""A sweep as an SVG chart, or as an HTML page around it. Both stand alone: nothing is fetched from elsewhere."""

from __future__ import annotations

from html import escape

from harness.report.numbers import small
from harness.report.safe_text import printable
from harness.report.sweep_record import OUTCOMES, Outcome, SweepRecord
from harness.report.sweep_regions import Axis, regions

_COLOURS: dict[Outcome, str] = {
    "passed": "#2e8b57",
    "init failed": "#d9a400",
    "invoke failed": "#e07b00",
    "wrong output": "#a23bbd",
    "guard overwritten": "#e0409a",
    "crashed": "#cc2b2b",
    "hung": "#2b5fcc",
}
_WIDTH, _LEFT, _RIGHT, _TOP, _LANE = 960, 150, 30, 66, 30


def sweep_svg(record: SweepRecord) -> str:
    """Outcome by size: a lane for each outcome that came, a dot for each probe, lines at the sizes that matter."""
    lanes = [outcome for outcome in OUTCOMES if any(probe.outcome == outcome for probe in record.probes)]
    bottom = _TOP + len(lanes) * _LANE
    axis = Axis(record.probes[0].size, record.probes[-1].size)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 52}" width="{_WIDTH}" '
        f'height="{bottom + 52}" font-family="system-ui, sans-serif" font-size="13" role="img">',
        f"<title>{_text(_title(record))}</title>",
        f'<rect width="{_WIDTH}" height="{bottom + 52}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="15" font-weight="600">{_text(_title(record))}</text>',
    ]
    for i, outcome in enumerate(lanes):
        y = _TOP + i * _LANE
        out.append(
            f'<rect x="{_LEFT}" y="{y}" width="{_WIDTH - _LEFT - _RIGHT}" height="{_LANE}" '
            f'fill="{"#f5f6f8" if i % 2 else "#fbfbfc"}"/>'
            f'<text x="{_LEFT - 10}" y="{y + _LANE / 2 + 4:g}" text-anchor="end">{_text(outcome)}</text>'
        )
    for tick in axis.ticks():
        x = _x(axis, tick)
        out.append(
            f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom + 5}" stroke="#d8dbe0"/>'
            f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle" fill="#555">{tick:,}</text>'
        )
    scale = "arena, bytes (logarithmic)" if axis.logarithmic else "arena, bytes"
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    out.append(f'<text x="{middle:g}" y="{bottom + 42}" text-anchor="middle" fill="#555">{scale}</text>')
    for probe in record.probes:
        centre = _TOP + (lanes.index(probe.outcome) + 0.5) * _LANE
        out.append(
            f'<circle cx="{_x(axis, probe.size):.1f}" cy="{centre:g}" r="3.5" fill="{_COLOURS[probe.outcome]}" '
            f'fill-opacity="0.8"><title>{probe.size:,} bytes: {_text(probe.text)}</title></circle>'
        )
    out += _marks(record, axis, bottom)
    out.append("</svg>")
    return "\n".join(out) + "\n"


def _marks(record: SweepRecord, axis: Axis, bottom: int) -> list[str]:
    marks = [
        ("minimum", record.minimum_bytes, "#1a1a1a"),
        ("reported", record.reported_bytes, "#8a6d00"),
        ("recommended", record.recommended_bytes, "#2e8b57"),
        ("present", record.present_bytes, "#7a7a7a"),
    ]
    shown = sorted(
        (size, name, colour) for name, size, colour in marks if size is not None and axis.first <= size <= axis.last
    )
    out = []
    for i, (size, name, colour) in enumerate(shown):
        x = _x(axis, size)
        left = x < _LEFT + 200 or (x < _WIDTH - 200 and i % 2 == 1)
        out.append(
            f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="{colour}" stroke-dasharray="4 3"/>'
            f'<text x="{x + (4 if left else -4):.1f}" y="{36 + 13 * (i % 3)}" fill="{colour}" font-size="11" '
            f'text-anchor="{"start" if left else "end"}">{name} {size:,}</text>'
        )
    return out


def sweep_html(record: SweepRecord) -> str:
    """A page with the figures, the chart and every probe."""
    rows = [
        ("minimum", _bytes(record.minimum_bytes)),
        ("reported by the engine", _bytes(record.reported_bytes)),
        ("difference", _bytes(record.difference_bytes)),
        ("planned by the packer", _bytes(record.planned_bytes)),
        (f"recommended (margin {record.margin_bytes})", _bytes(record.recommended_bytes)),
        (f"present ({record.present_from})", _bytes(record.present_bytes)),
        ("saved", _bytes(record.saved_bytes)),
        ("monotone", "yes" if record.monotone else "no"),
        ("confirmed", {True: "yes", False: "no", None: "left out"}[record.confirmed]),
        ("max|e| with the recommended size", small(record.confirmation.max_abs if record.confirmation else None)),
        ("probes, flashes, resets", f"{record.probed}, {record.flashes}, {record.resets}"),
        ("time", f"{record.wall_s:.1f} s, {record.probing_s:.1f} s of it probing"),
        ("started", record.started_utc),
        ("build", record.build_id),
    ]
    figures = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows)
    found = "".join(
        f"<tr><td>{r.first:,}</td><td>{r.last:,}</td><td>{r.count}</td><td>{_text(r.outcome)}</td>"
        f"<td>{_text('; '.join(r.details))}</td></tr>"
        for r in regions(record.probes)
    )
    probes = "".join(
        f"<tr><td>{p.size:,}</td><td>{_text(p.outcome)}</td><td>{_text(p.detail)}</td>"
        f"<td>{p.wall_s * 1e3:.1f}</td></tr>"
        for p in record.probes
    )
    remarks = "".join(f"<li>{_text(remark)}</li>" for remark in (*record.reasons, *record.notes))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{_text(_title(record))}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }}
body {{ margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
th, td {{ text-align: left; padding: 0.15rem 1rem 0.15rem 0; font-weight: normal; vertical-align: top; }}
td {{ font-variant-numeric: tabular-nums; }}
svg {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
<h1>{_text(_title(record))}</h1>
<p><strong>{record.verdict.upper()}</strong></p>
<ul>{remarks}</ul>
{sweep_svg(record)}
<table>{figures}</table>
<h2>Regions</h2>
<table><tr><th>from</th><th>to</th><th>probes</th><th>outcome</th><th>detail</th></tr>{found}</table>
<details><summary>Every probe</summary>
<table><tr><th>bytes</th><th>outcome</th><th>detail</th><th>ms</th></tr>{probes}</table>
</details>
</body>
</html>
"""


def _title(record: SweepRecord) -> str:
    return f"Arena of {record.model.name} on {record.board}, engine {record.engine}"


def _x(axis: Axis, size: int) -> float:
    return _LEFT + 8 + axis.place(size) * (_WIDTH - _LEFT - _RIGHT - 16)


def _bytes(value: int | None) -> str:
    return "-" if value is None else f"{value:,} bytes"


def _text(text: str) -> str:
    return escape(printable(text))
