/* Multiply-accumulate kernels over weights in flash. Sums run in a fixed order (bias, then inputs in index order), so one board gives
 * the same bits every time; with a fused multiply-add each step rounds once.
 */
#ifndef HIL_RNN_MATVEC_H
#define HIL_RNN_MATVEC_H

#include <stdint.h>

#include "rnn_format.h"
#include "rnn_uses.h"

/* Cortex-M4F, M7, M33: hand-written inner loops (rnn_matvec_arm.cpp). HIL_RNN_PORTABLE=1 takes the portable ones instead; the bits
 * are the same. */
#if defined(__thumb2__) && defined(__ARM_FP) && defined(__ARM_FEATURE_FMA) && !defined(HIL_RNN_PORTABLE)
#define HIL_RNN_MATVEC_ARM 1
#else
#define HIL_RNN_MATVEC_ARM 0
#endif

namespace hil {
namespace rnn {

/* Where the 8 sums of each group go: sum 2p + q of group g to out[g * group_step + p * pair_step + q]. */
struct Matvec8Out {
  float* out;
  uint16_t groups;
  uint16_t group_step;
  uint16_t pair_step;
};

/* Per group: 8 sums that start at w[0..8) and add w[8 + 8k ..] * (x, then h)[k]. Returns the weights' end. */
const float* matvec8(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, const Matvec8Out& to);

/* sum + sum over k of w[k] * x[k]. */
float dot(float sum, const float* w, const float* x, uint16_t n);

/* out[0, n) = affine n of (x, h) as rnn_format.h lays it out in float32, or in int8. Returns the weights' end. */
const float* affine_float(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* out, uint16_t n);
const float* affine_int8(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* out, uint16_t n);

/* Either, by layout. */
inline const float* affine(uint8_t layout, const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* out,
                           uint16_t n) {
  return HIL_RNN_USES_LAYOUT(kInt8Weights) && layout == kInt8Weights ? affine_int8(w, x, nx, h, nh, out, n)
                                                                     : affine_float(w, x, nx, h, nh, out, n);
}

/* Size of such weights, in floats. */
inline uint32_t affine_floats(uint8_t layout, uint32_t n, uint32_t nx, uint32_t nh) {
  return layout == kInt8Weights ? 3 * n + (n * (nx + nh) + 3) / 4 : n * (1 + nx + nh);
}

}  // namespace rnn
}  // namespace hil
#endif
