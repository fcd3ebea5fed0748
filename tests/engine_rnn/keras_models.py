"""Random Keras models over every layer the rnn engine takes, and what Keras gives for them.

A process of its own, so that only one pays for TensorFlow: `python -m tests.engine_rnn.keras_models SEED COUNT`. It
writes, for each model, two npz files to stdout, each after its length as u64: a golden file (graph and outputs of 8
vectors) and the vectors. Every model comes from its own number, SEED + k, so a failure is made again by `... SEED+k 1`.
`... SEED COUNT float64` writes one npz file a model instead: what Keras gives for the same weights in float64.
"""

from __future__ import annotations

import io
import os
import struct
import sys
from typing import Any

import numpy as np

VECTORS = 8
GATES = ["sigmoid", "hard_sigmoid", "tanh"]
ACTIVATIONS = ["tanh", "sigmoid", "hard_sigmoid", "relu", "softsign", "elu", "softplus"]
ALL_ACTIVATIONS = [*ACTIVATIONS, "linear", "selu", "silu", "leaky_relu", "relu6", "hard_silu", "gelu", "softmax"]


class Maker:
    """Makes one model: a chain with side branches, of 1 to 5 layers."""

    def __init__(self, keras: Any, seed: int) -> None:
        from harness.model import keras_cells

        self.keras, self.layers, self.cells = keras, keras.layers, keras_cells
        self.rng = np.random.default_rng(seed)
        self.inputs: list[Any] = []
        self.extra: list[Any] = []

    def flag(self, share: float = 0.5) -> bool:
        return bool(self.rng.random() < share)

    def one(self, items: list[Any]) -> Any:
        return items[int(self.rng.integers(len(items)))]

    def size(self, most: int) -> int:
        return int(self.rng.integers(1, most + 1))

    def input(self, *shape: int) -> Any:
        tensor = self.keras.Input(shape, name=f"input{len(self.inputs)}")
        self.inputs.append(tensor)
        return tensor

    def make(self) -> Any:
        x = self.input(self.size(6), self.size(7))
        if self.flag(0.3):
            x = self.layers.Masking(mask_value=self.one([0.0, 1.0, -1.5]))(x)
        for _ in range(self.size(4)):
            x = self.layer(x)
        outputs = [x, *self.extra[: self.size(3)]] if self.extra and self.flag(0.7) else [x]
        return self.keras.Model(self.inputs, outputs if len(outputs) > 1 else outputs[0])

    def cell_settings(self) -> dict[str, Any]:
        return {
            "activation": self.one(ACTIVATIONS if self.flag(0.3) else GATES),
            "recurrent_activation": self.one(GATES),
            "use_bias": self.flag(0.8),
        }

    def cell(self) -> Any:
        kind = self.one(["LSTM", "GRU", "SimpleRNN", "Peephole", "Coupled"])
        settings = self.cell_settings()
        if kind == "SimpleRNN":
            del settings["recurrent_activation"]
        if kind == "GRU":
            settings["reset_after"] = self.flag()
        if kind in ("Peephole", "Coupled"):
            return getattr(self.cells, f"{kind}LSTMCell")(self.size(9), **settings)
        return getattr(self.layers, f"{kind}Cell")(self.size(9), **settings)

    def recurrent(self, x: Any) -> Any:
        how = {
            "return_sequences": self.flag(0.7),
            "go_backwards": self.flag(0.25),
            "zero_output_for_mask": self.flag(0.3),
            "return_state": self.flag(0.35),
            "unroll": self.flag(0.2),
        }
        if how["unroll"] and how["go_backwards"]:
            how["zero_output_for_mask"] = False  # Keras takes the mask in the wrong order
        if self.flag(0.4):
            cell = (
                self.cell()
                if self.flag()
                else self.layers.StackedRNNCells([self.cell() for _ in range(1 + self.size(2))])
            )
            layer = self.layers.RNN(cell, **how)
            sizes = np.array(self.keras.tree.flatten(cell.state_size)).tolist()
        else:
            kind = self.one(["LSTM", "GRU", "SimpleRNN"])
            settings = self.cell_settings()
            if kind == "SimpleRNN":
                del settings["recurrent_activation"]
            if kind == "GRU":
                settings["reset_after"] = self.flag()
            units = self.size(11)
            layer = getattr(self.layers, kind)(units, **settings, **how)
            sizes = [units] * (2 if kind == "LSTM" else 1)
        stacked = isinstance(getattr(layer, "cell", None), self.layers.StackedRNNCells)
        if self.flag(0.25) and not stacked:
            result = layer(x, initial_state=[self.input(size) for size in sizes])
        else:
            result = layer(x)
        return self.first(result)

    def bidirectional(self, x: Any) -> Any:
        kind = self.one(["LSTM", "GRU", "SimpleRNN", "RNN"])
        how = {"return_sequences": self.flag(0.7), "return_state": self.flag(0.25)}
        if kind == "RNN":
            inner = self.layers.RNN(self.cell(), **how)
        else:
            inner = getattr(self.layers, kind)(self.size(9), use_bias=self.flag(0.8), **how)
        mode = self.one(["concat", "sum", "mul", "ave", None])
        if mode is None and how["return_state"]:
            mode = "concat"
        return self.first(self.layers.Bidirectional(inner, merge_mode=mode)(x))

    def scaling(self, x: Any) -> Any:
        """Its numbers are settings here, not weights; adapted ones are another test's."""
        shape = (x.shape[-1],) if self.flag(0.7) else ()
        mean, variance = self.rng.normal(0, 3, shape).tolist(), (self.rng.random(shape) + 0.1).tolist()
        if self.flag():
            return self.layers.Rescaling(mean, offset=variance)(x)
        axis = -1 if shape else None
        return self.layers.Normalization(axis=axis, mean=mean, variance=variance, invert=self.flag(0.2))(x)

    def first(self, result: Any) -> Any:
        flat = self.keras.tree.flatten(result)
        self.extra += flat[1:]
        return flat[0]

    def layer(self, x: Any) -> Any:
        layers = self.layers
        sequence = len(x.shape) == 3
        kinds = ["Dense", "Activation", "BatchNormalization", "Dropout", "Merge", "LeakyReLU", "Scaling"]
        kinds += ["recurrent"] * 6 + ["bidirectional"] * 2 + ["TimeDistributed"] if sequence else ["RepeatVector"]
        match self.one(kinds):
            case "recurrent":
                return self.recurrent(x)
            case "bidirectional":
                return self.bidirectional(x)
            case "Dense":
                return layers.Dense(self.size(17), activation=self.one(ALL_ACTIVATIONS), use_bias=self.flag(0.8))(x)
            case "TimeDistributed":
                return layers.TimeDistributed(layers.Dense(self.size(9), activation=self.one(ALL_ACTIVATIONS)))(x)
            case "Activation":
                return layers.Activation(self.one(ALL_ACTIVATIONS))(x)
            case "BatchNormalization":
                return layers.BatchNormalization(center=self.flag(0.8), scale=self.flag(0.8))(x)
            case "Scaling":
                return self.scaling(x)
            case "Dropout":
                return self.one([layers.Dropout(0.5), layers.GaussianNoise(0.1)])(x)
            case "LeakyReLU":
                return self.one([layers.LeakyReLU(0.1), layers.ELU(0.7), layers.ReLU(), layers.ReLU(max_value=6)])(x)
            case "RepeatVector":
                return layers.RepeatVector(self.size(4))(x)
        # Merges: a masked sequence through a merge is refused, so the mask ends here.
        x = layers.Reshape(x.shape[1:])(x)
        other = layers.Dense(x.shape[-1], activation="tanh")(x)
        kind = self.one(["Add", "Average", "Multiply", "Subtract", "Maximum", "Minimum", "Concatenate"])
        return getattr(layers, kind)()([x, other])


def randomise(model: Any, rng: np.random.Generator) -> None:
    """Weights of a trained size everywhere: zeros and ones would hide their order."""
    for variable in model.weights:
        if "seed" in variable.path:
            continue
        fan_in = variable.shape[0] if len(variable.shape) > 1 else 4
        value = rng.normal(0, 1 / np.sqrt(fan_in), variable.shape).astype(np.float32)  # in a float64 model too
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.path else value)


def vectors_for(model: Any, rng: np.random.Generator) -> list[Any]:
    """Inputs; half of the models get steps that a Masking layer takes for padding."""
    arrays = [rng.normal(0, 1, (VECTORS, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    for layer in model.layers:
        if type(layer).__name__ == "Masking":
            padded = rng.random(arrays[0].shape[:2]) < 0.4
            arrays[0][padded] = layer.mask_value
            arrays[0][-1] = layer.mask_value  # nothing but padding
    return arrays


def computed(keras: Any, seed: int) -> tuple[Any, list[Any], list[Any]]:
    """The model of that number, its vectors, and its outputs for them in Keras' present floatx."""
    keras.utils.clear_session()
    maker = Maker(keras, seed)
    model = maker.make()
    randomise(model, maker.rng)
    arrays = vectors_for(model, maker.rng)
    return model, arrays, keras.tree.flatten(model(arrays if len(arrays) > 1 else arrays[0], training=False))


def exact_answer(keras: Any, seed: int) -> tuple[bytes]:
    keras.config.set_floatx("float64")
    _, _, result = computed(keras, seed)
    return (_npz([np.asarray(y) for y in result]),)


def answer(keras: Any, seed: int) -> tuple[bytes, bytes]:
    from harness.model import golden_file, keras_graph
    from harness.model.graph import ModelGraph

    model, arrays, result = computed(keras, seed)
    shapes = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    layers, outputs = keras_graph.describe(model, shapes)
    graph = ModelGraph(bytes(32), f"keras {keras.__version__}", shapes, layers, outputs)
    golden = golden_file.Golden(tuple(np.asarray(y, np.float32) for y in result), graph, bytes(32), False)
    return golden_file.encode(golden), _npz(arrays)


def _npz(arrays: list[Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **{str(k): array for k, array in enumerate(arrays)})
    return stream.getvalue()


def main() -> None:
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    import warnings

    warnings.simplefilter("ignore")
    import keras

    first, count = int(sys.argv[1]), int(sys.argv[2])
    make = exact_answer if sys.argv[3:] == ["float64"] else answer
    for seed in range(first, first + count):
        for block in make(keras, seed):
            out.write(struct.pack("<Q", len(block)) + block)
        out.flush()


if __name__ == "__main__":
    main()
