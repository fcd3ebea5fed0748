"""Which is compared with which: the rows of the accuracy table, with the names every report gives them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.compare.metrics import Metrics
from harness.report.record import RunRecord


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; `is_cross` marks the board against the reference."""

    name: str
    metrics: Metrics
    is_cross: bool


def reference_name(record: RunRecord) -> str:
    """What made the golden outputs: Keras, or full TensorFlow Lite for a model that came converted."""
    return "TFLite" if record.model.framework.startswith("tflite") else "Keras"


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
    here = converted_name(record)
    text = f"{here} is the converted model ({kind}, {conversion.tflite_bytes:,} bytes) on this computer"
    if conversion.lsb_histogram is not None:
        counts = ", ".join(f"{_signed(lsb)}: {count:,}" for lsb, count in conversion.lsb_histogram.items())
        text += f"; board - {here} in LSB: {counts}"
    return text


def _signed(lsb: str) -> str:
    return lsb if lsb.startswith("-") or lsb == "0" else f"+{lsb}"
