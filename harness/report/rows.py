"""Which is compared with which: the rows of the accuracy table, with the names every report gives them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.compare.metrics import Metrics
from harness.report.record import RunRecord

_LSB_SHOWN = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; `is_cross` marks the board against the reference."""

    name: str
    metrics: Metrics
    is_cross: bool


def reference_name(record: RunRecord) -> str:
    """What made the golden outputs: Keras, PyTorch, or full TensorFlow Lite for a model that came converted."""
    return {"tflite": "TFLite", "torch": "PyTorch"}.get(record.model.framework.partition(" ")[0], "Keras")


def converted_name(record: RunRecord) -> str:
    """What ran the converted model on this computer."""
    conversion = record.conversion
    return "rnn" if conversion is not None and conversion.runtime.startswith("rnn") else "TFLM"


def accuracy_rows(record: RunRecord) -> list[Row]:
    """The comparisons this run has."""
    accuracy, reference = record.accuracy, reference_name(record)
    here = converted_name(record)
    rows = [
        (f"board vs {reference}", accuracy.board_vs_keras),
        (f"{here} vs {reference}", accuracy.converted_vs_keras),
        (f"board vs {here}", accuracy.board_vs_converted),
        (f"{reference} vs labels", accuracy.keras_vs_labels),
        ("board vs labels", accuracy.board_vs_labels),
    ]
    return [
        Row(name, metrics, is_cross=index == 0) for index, (name, metrics) in enumerate(rows) if metrics is not None
    ]


def conversion_note(record: RunRecord) -> str | None:
    """What the rows with TFLM are about, and what they were judged by; None where the engine converts nothing."""
    conversion = record.conversion
    if conversion is None:
        return None
    kind = "int8" if conversion.quantised else "float32"
    if conversion.way == "unrolled":
        kind += ", unrolled"
    here = converted_name(record)
    text = f"{here} is the converted model ({kind}, {conversion.tflite_bytes:,} bytes) on this computer"
    if conversion.quantised and conversion.lsb_histogram is None:
        text += "; no output is integers, so nothing is counted in LSB"
    return text


def lsb_table(record: RunRecord) -> tuple[list[str], list[list[str]]] | None:
    """Heads, and a row for each pair, of the differences in LSB; None where no output is integers.

    At most 7 columns of counts: what is further off is added up at the ends.
    """
    conversion = record.conversion
    if conversion is None or conversion.lsb_histogram is None:
        return None
    here = converted_name(record)
    pairs = [(f"board - {here}", conversion.lsb_histogram)]
    if conversion.lsb_histogram_keras is not None:
        pairs.append((f"{here} - {reference_name(record)}", conversion.lsb_histogram_keras))
    counted = [(name, {int(lsb): n for lsb, n in histogram.items()}) for name, histogram in pairs]
    low = min(min(histogram, default=0) for _, histogram in counted)
    high = max(max(histogram, default=0) for _, histogram in counted)
    columns = range(max(low, -_LSB_SHOWN), min(high, _LSB_SHOWN) + 1)
    heads = [f"{lsb:+d}" if lsb else "0" for lsb in columns]
    if low < columns[0]:
        heads.insert(0, f"{low}..{columns[0] - 1}")
    if high > columns[-1]:
        heads.append(f"+{columns[-1] + 1}..+{high}")
    rows = []
    for name, histogram in counted:
        counts = [histogram.get(lsb, 0) for lsb in columns]
        if low < columns[0]:
            counts.insert(0, sum(n for lsb, n in histogram.items() if lsb < columns[0]))
        if high > columns[-1]:
            counts.append(sum(n for lsb, n in histogram.items() if lsb > columns[-1]))
        rows.append([name, *(f"{n:,}" for n in counts)])
    return heads, rows
