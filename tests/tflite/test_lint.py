"""Lint refuses what TFLM runs wrong, and lets pass what it runs right."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from harness.errors import UsageError
from harness.model.bundle import Bundle
from harness.model.tflite_convert import convert_to_tflite
from harness.model.tflite_libraries import LIBRARIES, find_library
from harness.model.tflite_lint import RULES, errors_of, lint_tflite
from harness.model.tflite_read import TfliteModel, TfliteOperator, TfliteTensor, read_tflite

Change = Callable[[TfliteModel], TfliteModel]


def rules_of(data: bytes, library: str = "tflite-micro") -> set[str]:
    return {finding.rule for finding in errors_of(lint_tflite(data, library))}


def test_fused_model_has_no_error_in_any_library(fuel_tflite: bytes) -> None:
    for library in LIBRARIES:
        assert rules_of(fuel_tflite, library) == set()


def test_fused_model_is_warned_about_kept_state(fuel_tflite: bytes) -> None:
    assert [finding.rule for finding in lint_tflite(fuel_tflite)] == ["kept-state"]


def test_while_based_model_is_refused_with_reason_link_and_way_out(while_tflite: bytes) -> None:
    assert rules_of(while_tflite) == {"while-loop", "several-subgraphs", "dynamic-shape"}
    for finding in errors_of(lint_tflite(while_tflite)):
        assert finding.link == "https://github.com/tensorflow/tflite-micro/issues/3674"
        assert "hil convert" in finding.instead
        assert "{" not in finding.why


def test_int8_is_refused_where_it_is_known_wrong(fuel: Bundle, needs_tflm: None) -> None:
    data = convert_to_tflite(fuel.graph, calibration=fuel.inputs)
    assert {library: rules_of(data, library) for library in LIBRARIES} == {
        "tflite-micro": set(),
        "esp-tflite-micro": set(),
        "eloquent": {"int8-io"},
        "chirale": set(),
        "tensorflowlite-esp32": {"int8-lstm"},
    }


def with_operator(name: str) -> Change:
    def change(model: TfliteModel) -> TfliteModel:
        graph = model.main
        added = (*graph.operators, TfliteOperator(name, 1, (), ()))
        return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, operators=added),))

    return change


def with_input(**changes: object) -> Change:
    def change(model: TfliteModel) -> TfliteModel:
        graph, index = model.main, model.main.inputs[0]
        tensors = list(graph.tensors)
        tensors[index] = dataclasses.replace(tensors[index], **changes)
        return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tuple(tensors)),))

    return change


def with_quantised_weights(model: TfliteModel) -> TfliteModel:
    graph = model.main
    index = next(op for op in graph.operators if "LSTM" in op.name).inputs[2]
    tensors = list(graph.tensors)
    tensors[index] = dataclasses.replace(tensors[index], dtype="INT8")
    return dataclasses.replace(model, subgraphs=(dataclasses.replace(graph, tensors=tuple(tensors)),))


@pytest.mark.parametrize(
    ("change", "library", "rule"),
    [
        (with_operator("WHILE"), "tflite-micro", "while-loop"),
        (lambda m: dataclasses.replace(m, subgraphs=m.subgraphs * 2), "tflite-micro", "several-subgraphs"),
        (with_input(shape_signature=(-1, 3, 1)), "tflite-micro", "dynamic-shape"),
        (with_operator("GELU"), "tflite-micro", "missing-operator"),
        (with_operator("CUSTOM:FlexTensorListReserve"), "tflite-micro", "missing-operator"),
        (with_operator("REVERSE_V2"), "eloquent", "missing-operator"),
        (with_operator("SUM"), "tensorflowlite-esp32", "missing-operator"),
        (with_quantised_weights, "tflite-micro", "hybrid-lstm"),
        (with_input(shape=(32, 3, 1)), "tflite-micro", "batch"),
        (with_input(dtype="INT64"), "tflite-micro", "wire-type"),
        (with_input(dtype="INT8"), "eloquent", "int8-io"),
        (with_input(dtype="INT8"), "tensorflowlite-esp32", "int8-lstm"),
    ],
)
def test_each_rule_finds_its_fault(fuel_tflite: bytes, change: Change, library: str, rule: str) -> None:
    model, chosen = read_tflite(fuel_tflite), find_library(library)
    (found,) = [r for r in RULES if r.id == rule]
    assert found.find(model, chosen) == []
    assert found.find(change(model), chosen) != []


def test_unknown_library_is_refused_with_the_nearest(fuel_tflite: bytes) -> None:
    with pytest.raises(UsageError, match="did you mean eloquent"):
        lint_tflite(fuel_tflite, "eloquant")


def test_tensor_record_is_complete(fuel_tflite: bytes) -> None:
    (tensor,) = read_tflite(fuel_tflite).inputs
    assert isinstance(tensor, TfliteTensor)
    assert (tensor.dtype, tensor.shape, tensor.scale, tensor.is_variable) == ("FLOAT32", (1, 3, 1), 0.0, False)
