"""The result of `hil watch`. Its JSON form is this tree, key for key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.compare.metrics import Metrics

WATCH_SCHEMA_VERSION = 1

MatchedBy = Literal["label", "order", "number"]


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One printed prediction.

    Attributes:
        t_s: seconds after the port was opened.
        vector: the vector it belongs to; None: to none.
        expected: the label the sketch printed, if it does.
        predicted: outputs as printed; None where it was NaN or infinite.
        reference: what they should be; empty where `vector` is None.
        error: max|predicted - reference|; None where there is none.
        tolerance: largest allowed error: the bundle's tolerance plus half of the last printed digit.
    """

    t_s: float
    vector: int | None
    expected: float | None
    predicted: list[float | None]
    reference: list[float]
    error: float | None
    tolerance: float
    passed: bool


@dataclass(frozen=True, slots=True)
class ComplaintRecord:
    """A line of the library or chip that says something is wrong: as printed first, how often such came, meaning."""

    line: str
    count: int
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class StateRecord:
    """Whether the sketch clears recurrent state between predictions.

    Attributes:
        verdict: "leaks": wrong predictions are those of the model whose state is never cleared; "cleared": predictions
            are right where such a model's would not be; "unknown": see `detail`.
    """

    verdict: Literal["leaks", "cleared", "unknown"]
    detail: str


@dataclass(frozen=True, slots=True)
class WatchRecord:
    """Everything `hil watch` knows in the end. `reasons` is empty exactly when the verdict is "pass".

    Attributes:
        reference: who says what is right: Keras with its version; full TensorFlow Lite for a model that came converted.
        restarts: times the board started anew after its first prediction.
        board_vs_keras, keras_vs_labels, board_vs_labels: over all predictions that belong to a vector; the reference
            stands for Keras. None where there is nothing to compare.
        console: last lines, whatever they are.
    """

    schema_version: int
    verdict: Literal["pass", "fail"]
    reasons: list[str]
    harness_version: str
    started_utc: str
    wall_s: float
    interrupted: bool
    port: str
    baud: int
    model: str
    model_sha256: str
    reference: str
    pattern: str
    matched_by: MatchedBy
    vectors: int
    predictions: list[PredictionRecord]
    board_vs_keras: Metrics | None
    keras_vs_labels: Metrics | None
    board_vs_labels: Metrics | None
    complaints: list[ComplaintRecord]
    restarts: int
    state: StateRecord
    notes: list[str]
    console: list[str]
