"""A `.pt2` file (torch.export.save), read without PyTorch: a zip archive of JSON and raw numbers.

torch.export.load is never given the file: it unpickles parts of it without weights_only where that fails, evaluates
symbolic shapes as expressions and loads compiled libraries. None of that is read here: the archive is untrusted,
nothing in it is run or unpacked to disk, and what is not a program of fixed shapes over float32 is refused.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any  # JSON, checked on the way in.

import numpy as np

from harness.errors import UsageError
from harness.model.keras_file import MAX_CONFIG_BYTES, MAX_MODEL_BYTES, file_sha256
from harness.model.torch_program import AnyArray, Argument, Node, Program, Ref, Setting, TorchError

SAVE_HINT = "save it from Python with torch.export.save(torch.export.export(model.eval(), inputs), 'model.pt2')"
_SCHEMA_MAJOR = 8  # of torch/_export/serde/schema.py
_FLOAT = 7  # its ScalarType
_DTYPES = {4: "<i4", 5: "<i8", _FLOAT: "<f4", 12: "?"}
_SIZES = {"as_int": int, "as_float": float, "as_bool": bool, "as_string": str}
_LISTS = {"as_ints": int, "as_floats": float, "as_bools": bool}
_SETTINGS = {"as_scalar_type": "dtype", "as_layout": "layout", "as_memory_format": "memory_format"}
_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def read_torch_file(path: Path) -> Program:
    """Read a program saved by PyTorch 2.9 or later.

    Raises:
        UsageError: missing, empty, too large, cut short, a pickle, of another version, or with what is never run here:
            dynamic shapes, pickled weights, control flow, custom objects.
    """
    digest = file_sha256(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _program(digest, _Archive(path, archive))
    except TorchError as error:
        raise UsageError(f"{path}: {error.what}", hint=error.hint) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        if _is_pickle(path):
            raise pickle_error(path) from None
        raise UsageError(
            f"{path} is not a .pt2 archive, or was cut short ({error})", hint="save or copy the model again"
        ) from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, RuntimeError) as error:
        raise UsageError(
            f"{path}: its program can't be read ({type(error).__name__}: {str(error)[:100]!r})", hint=SAVE_HINT
        ) from None


def pickle_error(path: Path) -> UsageError:
    """A model saved by torch.save or torch.jit.save, which runs code when it is loaded."""
    return UsageError(f"{path} is a pickled PyTorch model, which can run code when it is loaded", hint=SAVE_HINT)


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(1) == b"\x80"


class _Archive:
    """Files of the archive by their names below its one top folder."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        names = archive.namelist()
        if sum(info.file_size for info in archive.infolist()) > 2 * MAX_MODEL_BYTES:
            raise TorchError("it unpacks to more than a model's size")
        if "serialized_exported_program.json" in names:
            raise TorchError("it was saved by an older PyTorch", "load and save it again with 2.9 or later")
        self._archive = archive
        self._names = {name.partition("/")[2]: name for name in names}
        if "models/model.json" not in self._names:
            # A program that was cut short may end in the small pickled archive of its example inputs.
            whole = min((info.header_offset for info in archive.infolist()), default=1) == 0
            if whole and any(name.endswith(".pkl") for name in names):
                raise pickle_error(path)
            if not whole:
                raise TorchError("it was cut short", "save or copy the model again")
            raise TorchError("it is a zip file without models/model.json, not an exported program", SAVE_HINT)

    def bytes(self, name: str) -> bytes:
        return self._archive.read(self._names[name])

    def json(self, name: str) -> Any:
        info = self._archive.getinfo(self._names[name])
        if info.file_size > MAX_CONFIG_BYTES:
            raise TorchError(f"its {name} has {info.file_size} bytes, which is too much")
        return json.loads(self.bytes(name))


def _program(digest: bytes, archive: _Archive) -> Program:
    model = archive.json("models/model.json")
    major = model["schema_version"]["major"]
    if major != _SCHEMA_MAJOR or archive.bytes("archive_version").strip() != b"0":
        raise TorchError(
            f"its format version ({major}) is not the one this reads ({_SCHEMA_MAJOR})",
            "save it again with PyTorch 2.9 or later",
        )
    if archive.bytes("byteorder").strip() != b"little":
        raise TorchError("its numbers are big-endian", "save it on another computer")
    graph = model["graph_module"]["graph"]
    if model["range_constraints"] or graph["sym_int_values"] or graph["sym_bool_values"] or graph["sym_float_values"]:
        raise TorchError(
            "it was exported with dynamic shapes; a board computes fixed ones",
            "export it without dynamic_shapes, with inputs of the length to use",
        )
    stored = _stored(archive, "weights") | _stored(archive, "constants")
    inputs: dict[str, tuple[int, ...]] = {}
    constants: dict[str, AnyArray] = {}
    for spec in model["graph_module"]["signature"]["input_specs"]:
        kind, value = _only(spec)
        if kind == "user_input":
            argument, named = _only(value["arg"])
            if argument != "as_tensor":
                raise TorchError(
                    "it takes an input that is not a tensor", "give forward tensors alone and fix the rest in __init__"
                )
            inputs[str(named["name"])] = _input_shape(str(named["name"]), graph["tensor_values"][named["name"]])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            constants[str(value["arg"]["name"])] = stored[value[f"{kind}_name"]]
        else:
            raise TorchError(f"it takes a {kind}, which is not supported")
    outputs = []
    for spec in model["graph_module"]["signature"]["output_specs"]:
        kind, value = _only(spec)
        if kind != "user_output" or "as_tensor" not in value["arg"]:
            raise TorchError(
                f"it gives a {kind.replace('_', ' ')} that is not a plain tensor", "return tensors alone from forward"
            )
        outputs.append(str(value["arg"]["as_tensor"]["name"]))
    if not inputs or not outputs:
        raise TorchError("it has no inputs or no outputs")
    version = "".join(c for c in str(model["torch_version"])[:40] if c.isprintable())
    shapes = {str(name): _sizes(meta["sizes"]) for name, meta in graph["tensor_values"].items()}
    nodes = tuple(_node(node) for node in graph["nodes"])
    return Program(digest, version, inputs, constants, shapes, nodes, tuple(outputs))


def _only(union: Mapping[str, Any]) -> tuple[str, Any]:
    """Kind and value of one of the format's unions: an object with one key."""
    ((kind, value),) = union.items()
    return str(kind), value


def _input_shape(name: str, meta: Mapping[str, Any]) -> tuple[int, ...]:
    if meta["dtype"] != _FLOAT:
        raise TorchError(f"its input {name!r} is not float32", "export it with float32 inputs")
    return _sizes(meta["sizes"])


def _sizes(values: Any) -> tuple[int, ...]:
    sizes = tuple(value["as_int"] for value in values)
    if not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise ValueError(f"sizes {sizes}")
    return sizes


def _stored(archive: _Archive, folder: str) -> dict[str, AnyArray]:
    """Weights or constants by their full names."""
    config = archive.json(f"data/{folder}/model_{folder}_config.json")["config"]
    arrays = {}
    for name, payload in config.items():
        if payload["use_pickle"] or payload.get("tensor_meta") is None:
            raise TorchError(f"its {name} is pickled, which can run code when it is loaded", "use plain tensors only")
        arrays[str(name)] = _array(name, archive.bytes(f"data/{folder}/{payload['path_name']}"), payload["tensor_meta"])
    return arrays


def _array(name: str, content: bytes, meta: Mapping[str, Any]) -> AnyArray:
    if meta["dtype"] not in _DTYPES:
        raise TorchError(f"its {name} is not float32", "convert the model with model.float() before it is exported")
    dtype = np.dtype(_DTYPES[meta["dtype"]])
    shape, strides = _sizes(meta["sizes"]), _sizes(meta["strides"])
    offset = int(meta["storage_offset"]["as_int"])
    flat = np.frombuffer(content[: len(content) // dtype.itemsize * dtype.itemsize], dtype)
    if 0 in shape:
        return np.zeros(shape, dtype)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if offset < 0 or last >= len(flat) or math.prod(shape) > len(flat):
        raise TorchError(f"its {name} is cut short", "save or copy the model again")
    steps = tuple(stride * dtype.itemsize for stride in strides)
    view = np.lib.stride_tricks.as_strided(flat[offset:], shape, steps, writeable=False)
    return np.array(view, order="C")


def _node(node: Mapping[str, Any]) -> Node:
    outputs: list[str] = []
    listed = False
    for output in node["outputs"]:
        kind, value = _only(output)
        if kind == "as_tensor":
            outputs.append(str(value["name"]))
        elif kind == "as_tensors" and len(node["outputs"]) == 1:
            outputs += [str(item["name"]) for item in value]
            listed = True
        else:
            raise TorchError(f"its operator {_target(node)} gives {kind[3:]}, which is not supported")
    arguments = tuple(_argument(node, argument) for argument in node["inputs"])
    # "L__self__,,pkg.Net;L__self__encoder_lstm,encoder.lstm,torch.nn.modules.rnn.LSTM"
    stack = str(node.get("metadata", {}).get("nn_module_stack", "")).split(";")[-1].split(",")
    module = "".join(c for c in (stack[1] if len(stack) > 2 else "") if c.isalnum() or c in "._-")
    return Node(str(node.get("name") or outputs[0]), _target(node), arguments, tuple(outputs), listed, module)


def _target(node: Mapping[str, Any]) -> str:
    return "".join(c for c in str(node["target"])[:80] if c.isprintable()).removeprefix("torch.ops.")


def _argument(node: Mapping[str, Any], argument: Mapping[str, Any]) -> Argument:
    kind, value = _only(argument["arg"])
    return Argument(str(argument["name"]), _value(node, kind, value), argument.get("kind") == 2)


def _value(node: Mapping[str, Any], kind: str, value: Any) -> object:
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return Ref(str(value["name"]))
    if kind == "as_tensors":
        return tuple(Ref(str(item["name"])) for item in value)
    if kind == "as_float" and isinstance(value, str):
        return _INFINITIES[value]
    if kind in _SIZES:
        return _checked(value, _SIZES[kind])
    if kind in _LISTS:
        return tuple(_checked(item, _LISTS[kind]) for item in value)
    if kind in _SETTINGS:
        return Setting(_SETTINGS[kind], int(value))
    if kind == "as_device":
        return Setting("device", 0)  # wherever it was exported, it runs on the CPU here
    raise TorchError(f"its operator {_target(node)} takes {kind[3:]}, which is not supported")


def _checked(value: Any, kind: type) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value
