/* The model as one block of bytes in flash ("blob"), version 2. Written by harness/model/rnn_format.py; README.md describes it.
 *
 * All integers and floats are little-endian, every record and every weight block starts at a multiple of 4 (weights: of 16).
 * "arena offset" counts bytes from the start of the arena, "blob offset" from the start of the blob. No pointers anywhere, so one
 * blob and one arena plan serve 8-, 32- and 64-bit targets alike.
 */
#ifndef HIL_RNN_FORMAT_H
#define HIL_RNN_FORMAT_H

#include <stdint.h>

namespace hil {
namespace rnn {

enum : uint32_t { kMagic = 0x4E4E5248u /* "HRNN" */ };
enum : uint16_t { kFormatVersion = 2 };

/* Largest sizes, so that every product of two of them and a 4-byte float stays within 32 bits. */
enum : uint32_t { kMaxUnits = 4096, kMaxWidth = 16384, kMaxSteps = 16384, kMaxArenaBytes = 0x4000000u };

/* Of int16 inputs: 127 * 32767 times this stays within 32 bits. */
enum : uint32_t { kMaxWideInputs = 512 };

struct BlobHeader {
  uint32_t magic;
  uint16_t version;
  uint8_t input_count;
  uint8_t output_count;
  uint32_t blob_bytes;  /* whole blob, this header included */
  uint32_t arena_bytes; /* exactly what engine_init asks for */
  uint32_t state_bytes; /* recurrent state is arena[0, state_bytes): reset clears it */
  uint32_t op_count;
  uint32_t ops; /* blob offset of the first op record; the others follow without gaps */
  uint32_t reserved;
};

/* After the header: the inputs, then the outputs. */
struct TensorRecord {
  uint8_t dtype; /* HIL_DTYPE_* */
  uint8_t ndim;
  uint16_t reserved;
  uint16_t dims[4]; /* unused ones are 1 */
  float scale;
  int32_t zero_point;
  uint32_t arena; /* arena offset */
};

enum OpKind : uint8_t {
  kOpLstm = 1,
  kOpDense = 2,
  kOpActivation = 3,
  kOpGru = 4,
  kOpSimpleRnn = 5,
  kOpPeephole = 6, /* LSTM whose gates see the cell */
  kOpCoupled = 7,  /* LSTM whose input gate is 1 - forget gate (CIFG) */
  kOpMask = 8,
  kOpScale = 9, /* batch normalisation at inference */
  kOpMerge = 10,
  kOpLstmInt8 = 11,
  kOpDenseInt8 = 12,
  kOpQuantise = 13,
  kOpLengthMask = 14
};

/* Those from kFirstRare on are linked only where a model asks for them. */
enum Activation : uint8_t {
  kLinear = 0,
  kRelu = 1,
  kTanh = 2,
  kSigmoid = 3,
  kHardSigmoid = 4,
  kSoftmax = 5,
  kFirstRare = 6,
  kElu = 6,
  kSelu = 7,
  kSoftplus = 8,
  kSoftsign = 9,
  kSilu = 10,
  kLeakyRelu = 11,
  kExponential = 12,
  kRelu6 = 13,
  kHardSilu = 14,
  kGelu = 15,
  kGeluTanh = 16,
  kActivationCount = 17
};

/* How an op's weights are stored (OpHeader::layout). */
enum Layout : uint8_t { kFloat32 = 1, kInt8Weights = 2 };

/* Every op record starts with this; `bytes` is the whole record's size, so unknown kinds can be told apart from damage. */
struct OpHeader {
  uint8_t kind;
  uint8_t layout; /* kFloat32, ... */
  uint16_t bytes;
  uint16_t layer; /* index of the layer in the source model, for traces */
  uint16_t flags;
};

enum RecurrentFlags : uint16_t {
  kReturnSequences = 1,
  kGoBackwards = 2, /* takes the steps from the last to the first */
  kFlipOutput = 4,  /* the first row computed is the last row of dst */
  kMasked = 8,      /* a step whose mask byte is 0 leaves the state as it is */
  kZeroMasked = 16, /* the output of such a step is 0, not that of the step before */
  kFreshState = 32, /* h and c start from 0 in every inference, whatever reset does */
  kResetAfter = 64, /* GRU: the reset gate acts on U h, not on h */
  kRecurrentFlags = 127,
  kWideInputs = 128 /* LSTM in integers: src is int16 */
};

/* Every kind of recurrent layer. z is scratch: pre-activations of one step.
 *
 * "affine n of (x, h)" below are n rows of weights: for each whole group of 8 rows 8 biases, then 8 per x, then 8 per h; then per
 * remaining row its bias, its x and its h.
 *
 * With kInt8Weights it is, for all n rows, {bias, scale of x, scale of h} as floats, and then n rows of nx + nh int8, padded to a
 * multiple of 4 bytes: row j gives bias + scale_x * sum(q * x) + scale_h * sum(q * h).
 *
 * LSTM: z[4][U2], U2 = units rounded up to even, gates in the order i, f, o, c. Weights, per pair of units (a, b): 8 biases
 *   {ia ib fa fb oa ob ca cb}, then 8 per input, then 8 per recurrent unit. An odd last unit is paired with zeros.
 *   With kInt8Weights: z[4][U], weights: affine 4U of (x, h), gates in the order i, f, o, c.
 * GRU: z[4][U]: z, r, candidate, and its recurrent part. Weights: affine 2U of (x, h), z first; affine U of x; affine U of h.
 * Simple RNN: z[U]. Weights: affine U of (x, h).
 * Peephole: z[4][U], gates i, f, c, o. Weights: affine 4U of (x, h), then U peepholes each of i, f, o.
 * Coupled: z[3][U], gates f, c, o. Weights: affine 3U of (x, h). */
struct RecurrentRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t inputs;
  uint16_t units;
  uint8_t activation;
  uint8_t recurrent_activation;
  uint16_t dst_stride; /* floats from one row of dst to the next */
  uint16_t reserved;
  uint32_t src;     /* arena: float[steps][inputs] */
  uint32_t dst;     /* arena: rows of float[units]: one per step with kReturnSequences, else one; may equal h then */
  uint32_t h;       /* arena: float[units] */
  uint32_t c;       /* arena: float[units]; unused by GRU and simple RNN */
  uint32_t z;       /* arena */
  uint32_t mask;    /* arena: uint8_t[steps], with kMasked */
  uint32_t weights; /* blob */
};

/* Weights: affine `outputs` of x (see above). */
struct DenseRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t inputs;
  uint16_t outputs;
  uint8_t activation;
  uint8_t reserved;
  uint32_t src;     /* arena: float[steps][inputs] */
  uint32_t dst;     /* arena: float[steps][outputs] */
  uint32_t weights; /* blob */
};

/* Element by element, or softmax over each row; dst may equal src. Strides are in floats, from row to row: they make a copy out of
 * this op, too. */
struct ActivationRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t width;
  uint8_t activation;
  uint8_t reserved[3];
  uint16_t src_stride;
  uint16_t dst_stride;
  float alpha; /* ELU: scale below 0; leaky ReLU: slope */
  uint32_t src;
  uint32_t dst;
};

/* mask[t] = any of row t differs from value; dst: the rows, masked ones 0. */
struct MaskRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t width;
  float value;
  uint32_t src;
  uint32_t dst;
  uint32_t mask; /* arena: uint8_t[steps] */
};

/* mask[t] = t < length. */
struct LengthMaskRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t reserved;
  uint32_t length; /* arena: int16_t */
  uint32_t mask;   /* arena: uint8_t[steps] */
};

/* dst = src * weights[0, width) + weights[width, 2 * width), row by row; dst may equal src. */
struct ScaleRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t width;
  uint32_t src;
  uint32_t dst;
  uint32_t weights; /* blob */
};

enum MergeMode : uint8_t { kAdd = 0, kMultiply = 1, kSubtract = 2, kMaximum = 3, kMinimum = 4, kMergeModeCount = 5 };

/* dst = (a with b) / divisor, element by element; dst may equal a or b. */
struct MergeRecord {
  OpHeader op;
  uint32_t count; /* floats */
  uint8_t mode;
  uint8_t reserved[3];
  float divisor;
  uint32_t a;
  uint32_t b;
  uint32_t dst;
};

/* Integer layers. Their weights: rows of {start i32, bias i32, x_multiplier i32, h_multiplier i32, x_shift u8, h_shift u8, reserved u16},
 * then per row int8 weights of x, then of h, padded to a multiple of 4 bytes. "rescaled": times multiplier / 2^shift, rounded to nearest.
 */
enum : uint32_t { kInt8RowBytes = 20 };

/* Row j of gates i, f, c, o: z = rescaled(start + sum(w * x)) + rescaled(sum(u * h)) + bias in Q3.12, each term saturated to 16 bits. */
struct LstmInt8Record {
  OpHeader op; /* kReturnSequences, kGoBackwards, kWideInputs */
  uint16_t steps;
  uint16_t inputs;
  uint16_t units;
  uint8_t cell_bits; /* fraction bits of c */
  uint8_t h_shift;
  int32_t h_multiplier; /* h = rescaled(o * tanh(c) in Q0.15) */
  uint32_t src;         /* arena: int8[steps][inputs], or int16 with kWideInputs */
  uint32_t dst;         /* arena: int8[steps][units], or int8[units] */
  uint32_t h;           /* arena: int8[units] */
  uint32_t c;           /* arena: int16[units] */
  uint32_t z;           /* arena: int16[4 * units] */
  uint32_t weights;     /* blob */
};

/* y = max(lowest, zero_point + rescaled(start + bias + sum(w * x))), saturated. */
struct DenseInt8Record {
  OpHeader op;
  uint16_t steps;
  uint16_t inputs;
  uint16_t outputs;
  int8_t zero_point;
  int8_t lowest; /* a ReLU's zero, or -128 */
  uint32_t src;  /* arena: int8[steps][inputs] */
  uint32_t dst;  /* arena: int8[steps][outputs] */
  uint32_t weights;
};

/* Flags 0: float to int8, x * scale + zero_point; 1: int8 to float, (x - zero_point) * scale. */
struct QuantiseRecord {
  OpHeader op;
  uint32_t count;
  float scale;
  int32_t zero_point;
  uint32_t src;
  uint32_t dst;
};

static_assert(sizeof(LstmInt8Record) == 44, "format");
static_assert(sizeof(DenseInt8Record) == 28, "format");
static_assert(sizeof(QuantiseRecord) == 28, "format");
static_assert(sizeof(BlobHeader) == 32, "format");
static_assert(sizeof(TensorRecord) == 24, "format");
static_assert(sizeof(OpHeader) == 8, "format");
static_assert(sizeof(RecurrentRecord) == 48, "format");
static_assert(sizeof(DenseRecord) == 28, "format");
static_assert(sizeof(ActivationRecord) == 32, "format");
static_assert(sizeof(MaskRecord) == 28, "format");
static_assert(sizeof(LengthMaskRecord) == 20, "format");
static_assert(sizeof(ScaleRecord) == 24, "format");
static_assert(sizeof(MergeRecord) == 32, "format");

}  // namespace rnn
}  // namespace hil
#endif
