"""The blob of the rnn engine, version 2: `rnn_encode` writes what firmware/lib/hil_engine_rnn/rnn_format.h reads.

All numbers little-endian, floats as exact IEEE 754 bit patterns. In order:

    header      32 bytes: magic "HRNN", version u16, input_count u8, output_count u8, blob_bytes u32, arena_bytes u32,
                state_bytes u32, op_count u32, ops u32 (blob offset of the first op), reserved u32
    tensors     24 bytes each, inputs then outputs: dtype u8, ndim u8, reserved u16, dims u16 x 4 (unused: 1),
                scale f32, zero_point i32, arena offset u32
    ops         kind u8, layout u8, bytes u16 (whole record), layer u16 (index in the source model), flags u16,
                then the fields of that kind
    weights     float32 blocks, each 16-byte aligned, in the kernels' reading order; zeros between and after
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag

MAGIC = b"HRNN"
FORMAT_VERSION = 2
BLOB_ALIGNMENT = 16
MAX_DIMS = 4
MAX_UNITS = 4096
MAX_WIDTH = 16384
MAX_STEPS = 16384
#: 127 * 32767 times this stays within 32 bits.
MAX_WIDE_INPUTS = 512
MAX_ARENA_BYTES = 1 << 26
#: A 16-bit int indexes at most this much; gcc-avr refuses larger objects.
AVR_MAX_BLOB_BYTES = 32767


class OpKind(IntEnum):
    """Kinds of ops."""

    LSTM = 1
    DENSE = 2
    ACTIVATION = 3
    GRU = 4
    SIMPLE_RNN = 5
    PEEPHOLE = 6
    COUPLED = 7
    MASK = 8
    SCALE = 9
    MERGE = 10
    LSTM_INT8 = 11
    DENSE_INT8 = 12
    QUANTISE = 13
    LENGTH_MASK = 14


class Activation(IntEnum):
    """Activations, by Keras's names in lower case; from ELU on they are linked only where a model asks for them."""

    LINEAR = 0
    RELU = 1
    TANH = 2
    SIGMOID = 3
    HARD_SIGMOID = 4
    SOFTMAX = 5
    ELU = 6
    SELU = 7
    SOFTPLUS = 8
    SOFTSIGN = 9
    SILU = 10
    LEAKY_RELU = 11
    EXPONENTIAL = 12
    RELU6 = 13
    HARD_SILU = 14
    GELU = 15
    GELU_TANH = 16


class RecurrentFlag(IntFlag):
    """What a recurrent layer does besides its equations."""

    NONE = 0
    RETURN_SEQUENCES = 1
    GO_BACKWARDS = 2
    FLIP_OUTPUT = 4
    MASKED = 8
    ZERO_MASKED = 16
    FRESH_STATE = 32
    RESET_AFTER = 64
    WIDE_INPUTS = 128


class MergeMode(IntEnum):
    """How two tensors become one."""

    ADD = 0
    MULTIPLY = 1
    SUBTRACT = 2
    MAXIMUM = 3
    MINIMUM = 4


class Layout(IntEnum):
    """How an op's weights are stored."""

    FLOAT32 = 1
    INT8_WEIGHTS = 2


@dataclass(frozen=True, slots=True)
class Tensor:
    """A model input or output: shape without the batch dimension, and where it lies in the arena (bytes).

    float32, or integers of 8 or 16 `bits`: real = scale * (stored - zero_point); scale 0: whole numbers.
    """

    shape: tuple[int, ...]
    arena: int
    scale: float = 0.0
    zero_point: int = 0
    bits: int = 32


@dataclass(frozen=True, slots=True)
class RecurrentOp:
    """A recurrent layer of one kind of cell. src, dst, h, c, z, mask: arena offsets in bytes (0 where unused)."""

    kind: OpKind
    layer: int
    flags: RecurrentFlag
    steps: int
    inputs: int
    units: int
    activation: Activation
    recurrent_activation: Activation
    dst_stride: int
    src: int
    dst: int
    h: int
    c: int
    z: int
    mask: int
    weights: bytes
    layout: Layout = Layout.FLOAT32


@dataclass(frozen=True, slots=True)
class DenseOp:
    """One Dense layer over `steps` rows; weights as `rnn_weights.affine_weights` orders them."""

    layer: int
    steps: int
    inputs: int
    outputs: int
    activation: Activation
    src: int
    dst: int
    weights: bytes
    layout: Layout = Layout.FLOAT32


@dataclass(frozen=True, slots=True)
class ActivationOp:
    """One activation over `steps` rows of `width`; strides in floats. `alpha`: of ELU and leaky ReLU."""

    layer: int
    steps: int
    width: int
    activation: Activation
    src: int
    dst: int
    src_stride: int
    dst_stride: int
    alpha: float = 1.0


@dataclass(frozen=True, slots=True)
class MaskOp:
    """Which of `steps` rows differ from `value` anywhere; the others become 0."""

    layer: int
    steps: int
    width: int
    value: float
    src: int
    dst: int
    mask: int


@dataclass(frozen=True, slots=True)
class LengthMaskOp:
    """Which of `steps` rows come before the length, an int16 at `length`."""

    layer: int
    steps: int
    length: int
    mask: int


@dataclass(frozen=True, slots=True)
class ScaleOp:
    """Each of `steps` rows times weights[:width] plus weights[width:]."""

    layer: int
    steps: int
    width: int
    src: int
    dst: int
    weights: bytes
    layout: Layout = Layout.FLOAT32


@dataclass(frozen=True, slots=True)
class MergeOp:
    """dst = (a with b) / divisor over `count` numbers."""

    layer: int
    count: int
    mode: MergeMode
    divisor: float
    a: int
    b: int
    dst: int


@dataclass(frozen=True, slots=True)
class LstmInt8Op:
    """An LSTM in integers; `h_multiplier` / 2^`h_shift` takes o * tanh(c) in Q0.15 to h."""

    layer: int
    flags: RecurrentFlag
    steps: int
    inputs: int
    units: int
    cell_bits: int
    h_shift: int
    h_multiplier: int
    src: int
    dst: int
    h: int
    c: int
    z: int
    weights: bytes


@dataclass(frozen=True, slots=True)
class DenseInt8Op:
    """A Dense layer in integers; results below `lowest` become it."""

    layer: int
    steps: int
    inputs: int
    outputs: int
    zero_point: int
    lowest: int
    src: int
    dst: int
    weights: bytes


@dataclass(frozen=True, slots=True)
class QuantiseOp:
    """float32 to int8, or back; `scale` of the int8 side."""

    layer: int
    back: bool
    count: int
    scale: float
    zero_point: int
    src: int
    dst: int


Op = (
    LstmInt8Op
    | DenseInt8Op
    | QuantiseOp
    | RecurrentOp
    | DenseOp
    | ActivationOp
    | MaskOp
    | LengthMaskOp
    | ScaleOp
    | MergeOp
)
