"""Keras <-> converted model in TFLM on this computer <-> board: how far apart each pair is, and who is at fault."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.compare.metrics import Metrics, compute_metrics, lsb_histogram, stack_outputs
from harness.compare.tolerance import tolerance_max_abs
from harness.compare.verdict import Judgement, judge
from harness.model.bundle import Bundle
from harness.model.graph import FloatArray
from harness.model.reference import reference_of
from harness.model.tflite_quantise import quantise
from harness.protocol.messages import TensorSpec
from harness.report.record import AtFault, ConversionRecord
from harness.workflow.converted import ConvertedOutputs

# Two right implementations of an integer kernel may round a tie, or shift before a sum, differently.
MAX_LSB = 1


@dataclass(frozen=True, slots=True)
class ThreeWay:
    """`reasons` begin with who is at fault; empty exactly when both rows are within their tolerance."""

    converted_vs_keras: Metrics
    board_vs_converted: Metrics
    record: ConversionRecord
    reasons: list[str]


def is_integer(spec: TensorSpec) -> bool:
    """Whether the tensor holds quantised integers."""
    return np.dtype(spec.numpy_dtype).kind != "f"


def keras_tolerance(bundle: Bundle, golden: FloatArray, *, quantised: bool) -> float:
    """Largest allowed |converted - golden| of one output, in its units."""
    share = bundle.tolerance_int8_of_range if quantised else bundle.tolerance_max_abs_of_range
    return tolerance_max_abs(golden, share)


def board_tolerance(bundle: Bundle, golden: FloatArray, converted: ConvertedOutputs | None, output: int) -> float:
    """Largest allowed |board - golden| of one output: of a quantised one, a board may be off by one LSB more.

    `converted`: what it was converted to; None: it runs as it is.
    """
    if converted is None:
        return keras_tolerance(bundle, golden, quantised=False)
    spec = converted.specs[output]
    extra = MAX_LSB * spec.scale if is_integer(spec) else 0.0
    return keras_tolerance(bundle, golden, quantised=converted.is_quantised) + extra


def three_way(
    bundle: Bundle, board: tuple[FloatArray, ...], converted: ConvertedOutputs, *, board_misbehaves: bool
) -> ThreeWay:
    """Compares and judges.

    Args:
        board: its outputs, one array a model output, (vectors, *shape).
        board_misbehaves: state leaked on the board, or it wrote outside its arena: its fault whatever the numbers.
    """
    middle = tuple(c.reshape(g.shape) for c, g in zip(converted.outputs, bundle.golden, strict=True))
    reference = reference_of(bundle.model_path, converted=bundle.tflite is not None).who
    conversion_off: list[str] = []
    board_off: list[str] = []
    histogram: Counter[int] = Counter()
    histogram_keras: Counter[int] = Counter()
    for k, (b, c, g, spec) in enumerate(zip(board, middle, bundle.golden, converted.specs, strict=True)):
        where = f"output {k}: " if len(board) > 1 else ""
        judged = _judge(c, g, bundle, keras_tolerance(bundle, g, quantised=converted.is_quantised))
        conversion_off += [f"{where}converted vs {reference}: {reason}" for reason in judged.reasons]
        if is_integer(spec):
            found = lsb_histogram(quantise(b, spec), quantise(c, spec))
            histogram.update(found)
            histogram_keras.update(lsb_histogram(quantise(c, spec), quantise(g, spec)))
            over = sum(n for lsb, n in found.items() if abs(lsb) > MAX_LSB)
            if over:
                worst = max(found, key=abs)
                board_off.append(
                    f"{where}board vs converted: {over} of {b.size} values are off by more than {MAX_LSB} LSB, "
                    f"by up to {abs(worst)}"
                )
        else:
            # Against the range of the golden values: those of a broken conversion may have none.
            judged = _judge(b, c, bundle, tolerance_max_abs(g, bundle.tolerance_max_abs_of_range))
            board_off += [f"{where}board vs converted: {reason}" for reason in judged.reasons]

    at_fault = _fault(bool(conversion_off), bool(board_off) or board_misbehaves)
    record = ConversionRecord(
        runtime=converted.runtime,
        tflite_sha256=converted.tflite_sha256.hex(),
        tflite_bytes=converted.tflite_bytes,
        quantised=converted.is_quantised,
        tolerances_max_abs=[keras_tolerance(bundle, g, quantised=converted.is_quantised) for g in bundle.golden],
        converted_passed=not conversion_off,
        board_passed=not board_off,
        lsb_histogram=_by_lsb(histogram),
        at_fault=at_fault,
        lsb_histogram_keras=_by_lsb(histogram_keras),
        way=converted.way,
        why=converted.why,
    )
    return ThreeWay(
        converted_vs_keras=compute_metrics(stack_outputs(middle), stack_outputs(bundle.golden), task=bundle.task),
        board_vs_converted=compute_metrics(stack_outputs(board), stack_outputs(middle), task=bundle.task),
        record=record,
        reasons=[*_sentence(at_fault, board_off, reference, converted.short_name), *conversion_off, *board_off],
    )


def _by_lsb(histogram: Counter[int]) -> dict[str, int] | None:
    return {str(lsb): histogram[lsb] for lsb in sorted(histogram)} or None


def _judge(p: FloatArray, r: FloatArray, bundle: Bundle, tolerance: float) -> Judgement:
    return judge(p, r, compute_metrics(p, r, task=bundle.task), tolerance_max_abs=tolerance)


def _fault(conversion: bool, board: bool) -> AtFault:
    if conversion:
        return "both" if board else "conversion"
    return "board" if board else "none"


def _sentence(at_fault: AtFault, board_off: list[str], reference: str, here: str) -> list[str]:
    same = f"{here} on this computer computes the converted model as {reference} does"
    other = f"{here} on this computer computes the converted model otherwise than {reference}"
    match at_fault:
        case "none":
            return []
        case "conversion":
            return [f"the conversion is at fault: {other}, and the board agrees with {here} on this computer"]
        case "board":
            return [f"the board is at fault: {same}, {'the board does not' if board_off else 'the board misbehaves'}"]
        case "both":
            return [f"the conversion and the board are at fault: {other}, and the board differs from both"]
