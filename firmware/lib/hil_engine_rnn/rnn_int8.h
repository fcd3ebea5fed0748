/* Integer arithmetic of quantised layers. The same integers on every board: no float is involved between quantising a model's inputs on
 * the host and dequantising its outputs there.
 */
#ifndef HIL_RNN_INT8_H
#define HIL_RNN_INT8_H

#include <stdint.h>

namespace hil {
namespace rnn {

/* v * multiplier / 2^shift, rounded to nearest (ties up); shift is 1 to 62. */
inline int32_t rescale(int32_t v, int32_t multiplier, uint8_t shift) {
  const int64_t product = int64_t(v) * multiplier;
  if (shift > 32) { /* the lower word can't reach the result: no 64-bit shift, which small cores do bit by bit */
    const int32_t high = int32_t(product >> 32); /* below 2^30, as is what is added */
    return (high + (int32_t(1) << (shift - 33))) >> (shift - 32);
  }
  const int64_t result = (product + (int64_t(1) << (shift - 1))) >> shift; /* gcc: arithmetic */
  if (result > INT32_MAX) return INT32_MAX;
  return result < INT32_MIN ? INT32_MIN : int32_t(result);
}

inline int16_t saturate16(int32_t v) { return v > 32767 ? int16_t(32767) : v < -32768 ? int16_t(-32768) : int16_t(v); }
inline int8_t saturate8(int32_t v) { return v > 127 ? int8_t(127) : v < -128 ? int8_t(-128) : int8_t(v); }

/* v / 2^bits, rounded to nearest (ties up); bits may be 0. */
inline int32_t shift_right(int32_t v, uint8_t bits) { return bits == 0 ? v : (v + (int32_t(1) << (bits - 1))) >> bits; }

/* Q3.12 in, Q0.15 out: by a table of tanh with linear interpolation, within 1.3e-4. */
int16_t tanh_q15(int16_t x);
int16_t sigmoid_q15(int16_t x);

}  // namespace rnn
}  // namespace hil
#endif
