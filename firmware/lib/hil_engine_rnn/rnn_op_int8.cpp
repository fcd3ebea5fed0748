/* Layers in integers throughout: LSTM and Dense on int8 numbers with int8 weights, and the ways between int8 and float. */
#include "rnn_hot.h"

#include <string.h>

#include "rnn_flash.h"
#include "rnn_int8.h"
#include "rnn_ops.h"
#include "rnn_tanh_q15.h"

namespace hil {
namespace rnn {

namespace {

struct Row {
  int32_t start; /* of the sum: what the zero point of x adds, times -1 */
  int32_t bias;
  int32_t x_multiplier;
  int32_t h_multiplier;
  uint8_t x_shift;
  uint8_t h_shift;
  uint16_t reserved;
};
static_assert(sizeof(Row) == kInt8RowBytes, "format");

inline Row read_row(const uint8_t* at) {
  Row row;
  flash_copy(&row, at, sizeof row);
  return row;
}

#if defined(__ARM_FEATURE_DSP) && !defined(HIL_RNN_PORTABLE)
/* Bytes 0 and 2, or 1 and 3, of v as two int16. */
inline uint32_t even_bytes(uint32_t v) {
  uint32_t pair;
  __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(v));
  return pair;
}

inline uint32_t odd_bytes(uint32_t v) {
  uint32_t pair;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(v));
  return pair;
}

/* sum + the products of both halves */
inline int32_t add_products(int32_t sum, uint32_t a, uint32_t b) {
  int32_t result;
  __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}
#endif

int32_t dot(const int8_t* w, const int8_t* x, uint16_t n) {
  int32_t sum = 0;
  const int8_t* const end = x + n;
#if defined(__ARM_FEATURE_DSP) && !defined(HIL_RNN_PORTABLE)
  for (const int8_t* const whole = x + (n & ~3u); x != whole; x += 4, w += 4) {
    uint32_t a, b;
    memcpy(&a, w, sizeof a);
    memcpy(&b, x, sizeof b);
    sum = add_products(sum, even_bytes(a), even_bytes(b));
    sum = add_products(sum, odd_bytes(a), odd_bytes(b));
  }
#endif
  for (; x != end; ++x) sum += int16_t(flash_int8(w++)) * int16_t(*x);
  return sum;
}

/* Unsigned: a damaged blob may have rows of -128, which add up to just more than 31 bits. */
int32_t dot_wide(const int8_t* w, const int16_t* x, uint16_t n) {
  uint32_t sum = 0;
  for (const int16_t* end = x + n; x != end; ++x) sum += uint32_t(int32_t(flash_int8(w++)) * *x);
  return int32_t(sum);
}

inline bool shift_fits(uint8_t shift) { return shift >= 1 && shift <= 62; }

/* The rows of a weight block lie in the blob, and their shifts can be carried out. `floats`: of the block. */
bool rows_fit(const Model& model, uint32_t weights, uint32_t rows, uint32_t per_row) {
  const uint32_t bytes = rows * kInt8RowBytes + ((rows * per_row + 3) & ~3ul);
  if (!model.blob_holds(weights, bytes / 4)) return false;
  for (uint32_t j = 0; j < rows; ++j) {
    const Row row = read_row(model.blob + weights + j * kInt8RowBytes);
    if (!shift_fits(row.x_shift) || !shift_fits(row.h_shift)) return false;
  }
  return true;
}

inline int8_t* bytes_at(const Model& model, uint32_t offset) { return reinterpret_cast<int8_t*>(model.arena + offset); }
inline uint32_t words(uint32_t bytes) { return (bytes + 3) / 4; }

}  // namespace

int16_t tanh_q15(int16_t x) {
  const bool negative = x < 0;
  const uint16_t magnitude = negative ? uint16_t(-int32_t(x)) : uint16_t(x);
  const uint16_t index = magnitude >> 7; /* 256 steps of 1/32 up to 8 */
  int32_t y;
  if (index >= 256) {
    y = flash_int16(kTanhQ15 + 256);
  } else {
    const int32_t low = flash_int16(kTanhQ15 + index);
    const int32_t high = flash_int16(kTanhQ15 + index + 1);
    y = low + (((high - low) * int32_t(magnitude & 127) + 64) >> 7);
  }
  return int16_t(negative ? -y : y);
}

/* (1 + tanh(x / 2)) / 2 */
int16_t sigmoid_q15(int16_t x) {
  const int32_t y = (int32_t(tanh_q15(int16_t(x >> 1))) + 32768 + 1) >> 1;
  return int16_t(y > 32767 ? 32767 : y);
}

bool lstm_int8_check(const Model& model, uint32_t at) {
  if (!record_fits<LstmInt8Record>(model, at)) return false;
  const LstmInt8Record r = read_record<LstmInt8Record>(model, at);
  if ((r.op.flags & ~(kReturnSequences | kGoBackwards | kWideInputs)) != 0) return false;
  if (r.steps == 0 || r.steps > kMaxSteps || r.inputs == 0 || r.inputs > kMaxUnits || r.units == 0 || r.units > kMaxUnits) return false;
  if (r.cell_bits > 15 || !shift_fits(r.h_shift)) return false;
  const bool wide = (r.op.flags & kWideInputs) != 0;
  if (wide && r.inputs > kMaxWideInputs) return false;
  const uint32_t src = words(uint32_t(r.steps) * r.inputs * (wide ? 2u : 1u));
  const uint32_t dst = words((r.op.flags & kReturnSequences) ? uint32_t(r.steps) * r.units : r.units);
  const uint32_t h = words(r.units);
  const uint32_t c = words(2u * r.units);
  const uint32_t z = words(8u * r.units);
  return model.arena_holds(r.src, src) && model.arena_holds(r.dst, dst) && model.arena_holds(r.h, h) && model.arena_holds(r.c, c) &&
         model.arena_holds(r.z, z) && disjoint(r.src, src, r.dst, dst) && disjoint(r.src, src, r.h, h) && disjoint(r.src, src, r.c, c) &&
         disjoint(r.src, src, r.z, z) && disjoint(r.dst, dst, r.h, h) && disjoint(r.dst, dst, r.c, c) && disjoint(r.dst, dst, r.z, z) &&
         disjoint(r.h, h, r.c, c) && disjoint(r.h, h, r.z, z) && disjoint(r.c, c, r.z, z) &&
         rows_fit(model, r.weights, 4u * r.units, uint32_t(r.inputs) + r.units);
}

/* Gates in Q3.12 and Q0.15, cell in Q(15 - cell_bits).cell_bits, h in int8 with its own scale and zero point 0. */
void lstm_int8_run(const Model& model, uint32_t at) {
  const LstmInt8Record r = read_record<LstmInt8Record>(model, at);
  const uint16_t units = r.units;
  const bool wide = (r.op.flags & kWideInputs) != 0;
  const int8_t* x = bytes_at(model, r.src);
  int8_t* dst = bytes_at(model, r.dst);
  int8_t* h = bytes_at(model, r.h);
  int16_t* c = reinterpret_cast<int16_t*>(model.arena + r.c);
  int16_t* const z = reinterpret_cast<int16_t*>(model.arena + r.z);
  int32_t x_step = wide ? 2 * int32_t(r.inputs) : r.inputs;
  if (r.op.flags & kGoBackwards) {
    x += (r.steps - 1) * x_step;
    x_step = -x_step;
  }
  for (uint16_t step = 0; step < r.steps; ++step) {
    const uint8_t* rows = model.blob + r.weights;
    const int8_t* w = reinterpret_cast<const int8_t*>(rows + 4u * units * kInt8RowBytes);
    for (uint16_t j = 0; j < 4 * units; ++j) {
      const Row row = read_row(rows);
      const int32_t of_x = wide ? dot_wide(w, reinterpret_cast<const int16_t*>(x), r.inputs) : dot(w, x, r.inputs);
      const int32_t from_x = rescale(int32_t(uint32_t(row.start) + uint32_t(of_x)), row.x_multiplier, row.x_shift);
      const int32_t from_h = rescale(dot(w + r.inputs, h, units), row.h_multiplier, row.h_shift);
      const int16_t v = saturate16(int32_t(saturate16(from_x)) + saturate16(from_h) + saturate16(row.bias));
      z[j] = j >= 2 * units && j < 3 * units ? tanh_q15(v) : sigmoid_q15(v);
      rows += kInt8RowBytes;
      w += r.inputs + units;
    }
    for (uint16_t j = 0; j < units; ++j) {
      const int32_t kept = shift_right(int32_t(z[units + j]) * c[j], 15);
      const int32_t added = shift_right(int32_t(z[j]) * z[2 * units + j], uint8_t(30 - r.cell_bits));
      c[j] = saturate16(kept + added);
      const int16_t cell = r.cell_bits >= 12 ? int16_t(shift_right(c[j], uint8_t(r.cell_bits - 12)))
                                             : saturate16(int32_t(c[j]) * (int32_t(1) << (12 - r.cell_bits)));
      const int32_t out = shift_right(int32_t(z[3 * units + j]) * tanh_q15(cell), 15);
      h[j] = saturate8(rescale(out, r.h_multiplier, r.h_shift));
    }
    x += x_step;
    if (r.op.flags & kReturnSequences) {
      memcpy(dst, h, units);
      dst += units;
    }
  }
  if (!(r.op.flags & kReturnSequences)) memcpy(dst, h, units);
}

bool dense_int8_check(const Model& model, uint32_t at) {
  if (!record_fits<DenseInt8Record>(model, at)) return false;
  const DenseInt8Record r = read_record<DenseInt8Record>(model, at);
  if (r.op.flags != 0 || r.steps == 0 || r.steps > kMaxSteps || r.inputs == 0 || r.inputs > kMaxWidth || r.outputs == 0 ||
      r.outputs > kMaxWidth)
    return false;
  const uint32_t src = words(uint32_t(r.steps) * r.inputs);
  const uint32_t dst = words(uint32_t(r.steps) * r.outputs);
  return model.arena_holds(r.src, src) && model.arena_holds(r.dst, dst) && disjoint(r.src, src, r.dst, dst) &&
         rows_fit(model, r.weights, r.outputs, r.inputs);
}

void dense_int8_run(const Model& model, uint32_t at) {
  const DenseInt8Record r = read_record<DenseInt8Record>(model, at);
  const int8_t* x = bytes_at(model, r.src);
  int8_t* dst = bytes_at(model, r.dst);
  for (uint16_t step = 0; step < r.steps; ++step) {
    const uint8_t* rows = model.blob + r.weights;
    const int8_t* w = reinterpret_cast<const int8_t*>(rows + uint32_t(r.outputs) * kInt8RowBytes);
    for (uint16_t j = 0; j < r.outputs; ++j) {
      const Row row = read_row(rows);
      const int32_t sum = int32_t(uint32_t(row.start) + uint32_t(row.bias) + uint32_t(dot(w, x, r.inputs)));
      const int32_t v = rescale(sum, row.x_multiplier, row.x_shift);
      const int8_t y = saturate8(int32_t(saturate16(v)) + r.zero_point);
      *dst++ = y < r.lowest ? r.lowest : y;
      rows += kInt8RowBytes;
      w += r.inputs;
    }
    x += r.inputs;
  }
}

bool quantise_check(const Model& model, uint32_t at) {
  if (!record_fits<QuantiseRecord>(model, at)) return false;
  const QuantiseRecord r = read_record<QuantiseRecord>(model, at);
  if (r.op.flags > 1 || r.count == 0 || r.count > kMaxArenaBytes / 4) return false;
  const uint32_t src = r.op.flags ? words(r.count) : r.count;
  const uint32_t dst = r.op.flags ? r.count : words(r.count);
  return model.arena_holds(r.src, src) && model.arena_holds(r.dst, dst) && disjoint(r.src, src, r.dst, dst);
}

void quantise_run(const Model& model, uint32_t at) {
  const QuantiseRecord r = read_record<QuantiseRecord>(model, at);
  if (r.op.flags) { /* int8 to float */
    const int8_t* src = bytes_at(model, r.src);
    float* dst = model.floats(r.dst);
    for (uint32_t i = 0; i < r.count; ++i) dst[i] = (float(src[i]) - float(r.zero_point)) * r.scale;
    return;
  }
  const float* src = model.floats(r.src);
  int8_t* dst = bytes_at(model, r.dst);
  for (uint32_t i = 0; i < r.count; ++i) {
    float v = src[i] * r.scale + float(r.zero_point); /* scale: its reciprocal here */
    if (!(v > -128.0f)) v = -128.0f;
    if (v > 127.0f) v = 127.0f;
    dst[i] = int8_t(v < 0 ? v - 0.5f : v + 0.5f);
  }
}

}  // namespace rnn
}  // namespace hil
