"""The golden file: outputs of the reference framework and the model's graph in one npz.

No pickle. The same content gives the same bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # JSON, checked on the way in.

import numpy as np

from harness.model.graph import FloatArray, LayerSpec, ModelGraph

# Raised when the meaning of the file, or the way golden outputs are computed, changes: older files are then not used.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Golden:
    """What the reference framework says of a model.

    Attributes:
        outputs: one array an output, (vectors, *shape) float32.
        graph: the model as arrays.
        vectors_sha256: `harness.model.golden.vectors_digest` of the vectors the outputs belong to, 32 bytes.
        stateful: state was kept from each vector to the next.
    """

    outputs: tuple[FloatArray, ...]
    graph: ModelGraph
    vectors_sha256: bytes
    stateful: bool


def encode(golden: Golden) -> bytes:
    """Golden as the bytes of an npz file."""
    graph = golden.graph
    arrays: dict[str, FloatArray] = {f"output/{i}": output for i, output in enumerate(golden.outputs)}
    layers = []
    for i, layer in enumerate(graph.layers):
        arrays |= {f"weight/{i}/{j}": weight for j, weight in enumerate(layer.weights.values())}
        layers.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "config": dict(layer.config),
                "weights": list(layer.weights),
                "inputs": layer.inputs,
                "output_shape": layer.output_shape,
            }
        )
    meta = {
        "format": FORMAT,
        "model_sha256": graph.source_sha256.hex(),
        "vectors_sha256": golden.vectors_sha256.hex(),
        "stateful": golden.stateful,
        "framework": graph.framework,
        "inputs": [[name, shape] for name, shape in graph.inputs.items()],
        "layers": layers,
        "output_names": graph.outputs,
        "outputs": len(golden.outputs),
        "notes": graph.notes,
    }
    text = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
    stream = io.BytesIO()
    np.savez_compressed(stream, meta=text, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def decode(content: bytes) -> Golden:
    """The reverse of `encode`.

    Raises:
        ValueError: damaged, not such a file, or of another format version.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as npz:
            meta = json.loads(npz["meta"].tobytes())
            if meta["format"] != FORMAT:
                raise ValueError(f"golden file of format {meta['format']}, not {FORMAT}")
            layers = tuple(_layer(npz, i, layer) for i, layer in enumerate(meta["layers"]))
            outputs = tuple(np.asarray(npz[f"output/{i}"], np.float32) for i in range(meta["outputs"]))
        graph = ModelGraph(
            source_sha256=bytes.fromhex(meta["model_sha256"]),
            framework=str(meta["framework"]),
            inputs={str(name): _shape(shape) for name, shape in meta["inputs"]},
            layers=layers,
            outputs=tuple(str(name) for name in meta["output_names"]),
            notes=tuple(str(note) for note in meta["notes"]),
        )
        return Golden(outputs, graph, bytes.fromhex(meta["vectors_sha256"]), bool(meta["stateful"]))
    except (KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"damaged golden file: {error}") from None


def _layer(npz: Mapping[str, FloatArray], index: int, meta: Mapping[str, Any]) -> LayerSpec:
    return LayerSpec(
        name=str(meta["name"]),
        kind=str(meta["kind"]),
        # JSON knows no tuples.
        config={key: tuple(value) if isinstance(value, list) else value for key, value in meta["config"].items()},
        weights={
            str(name): np.asarray(npz[f"weight/{index}/{j}"], np.float32) for j, name in enumerate(meta["weights"])
        },
        inputs=tuple(str(name) for name in meta["inputs"]),
        output_shape=_shape(meta["output_shape"]),
    )


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in value)
