/* The model as one block of bytes in flash ("blob"), version 1. Written by harness/model/rnn_format.py; README.md describes it.
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
enum : uint16_t { kFormatVersion = 1 };

/* Largest sizes, so that every product of two of them and a 4-byte float stays within 32 bits. */
enum : uint32_t { kMaxUnits = 4096, kMaxWidth = 16384, kMaxSteps = 16384, kMaxArenaBytes = 0x4000000u };

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

enum OpKind : uint8_t { kOpLstm = 1, kOpDense = 2, kOpActivation = 3 };

enum Activation : uint8_t { kLinear = 0, kRelu = 1, kTanh = 2, kSigmoid = 3, kHardSigmoid = 4, kSoftmax = 5, kActivationCount = 6 };

/* Every op record starts with this; `bytes` is the whole record's size, so unknown kinds can be told apart from damage. */
struct OpHeader {
  uint8_t kind;
  uint8_t layout; /* order of its weights; 1 is the only one so far */
  uint16_t bytes;
  uint16_t layer; /* index of the layer in the source model, for traces */
  uint16_t flags;
};

enum LstmFlags : uint16_t { kReturnSequences = 1 };

/* z[4][U2], U2 = units rounded up to even, gates in the order i, f, o, c: pre-activations of one step.
 * Weights, per pair of units (a, b): 8 biases {ia ib fa fb oa ob ca cb}, then 8 per input, then 8 per recurrent unit.
 * An odd last unit is paired with zeros. */
struct LstmRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t inputs;
  uint16_t units;
  uint8_t activation;
  uint8_t recurrent_activation;
  uint32_t src;     /* arena: float[steps][inputs] */
  uint32_t dst;     /* arena: float[steps][units] with kReturnSequences, else float[units]; may equal h then */
  uint32_t h;       /* arena, within the state: float[units] */
  uint32_t c;       /* arena, within the state: float[units] */
  uint32_t z;       /* arena: scratch float[4 * U2] */
  uint32_t weights; /* blob */
};

/* Weights: for each whole group of 8 outputs 8 biases, then 8 per input; then per remaining output its bias and its inputs. */
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

/* Element by element, or softmax over each row; dst may equal src. */
struct ActivationRecord {
  OpHeader op;
  uint16_t steps;
  uint16_t width;
  uint8_t activation;
  uint8_t reserved[3];
  uint32_t src;
  uint32_t dst;
};

static_assert(sizeof(BlobHeader) == 32, "format");
static_assert(sizeof(TensorRecord) == 24, "format");
static_assert(sizeof(OpHeader) == 8, "format");
static_assert(sizeof(LstmRecord) == 40, "format");
static_assert(sizeof(DenseRecord) == 28, "format");
static_assert(sizeof(ActivationRecord) == 24, "format");

}  // namespace rnn
}  // namespace hil
#endif
