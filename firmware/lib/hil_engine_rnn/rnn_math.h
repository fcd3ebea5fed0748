/* Activations over arrays, without libm: the same source gives the same accuracy on every board.
 *
 * Exact variant (default): sigmoid, tanh and exp are within 2 ulp of the correctly rounded value for every float32.
 * HIL_RNN_FAST_MATH=1: sigmoid within 2.5e-7, tanh within 4e-7 (absolute), by a table of 2 KB and without division; exp as before.
 * tests/engine_rnn proves both.
 * NaN gives NaN; infinities give the limits.
 */
#ifndef HIL_RNN_MATH_H
#define HIL_RNN_MATH_H

#include <stdint.h>

#if !defined(HIL_RNN_FAST_MATH)
#define HIL_RNN_FAST_MATH 0
#endif

namespace hil {
namespace rnn {

/* a * b + c, rounded once where the FPU has it in one instruction, twice elsewhere. Written out rather than left to -ffp-contract, so
 * that compiler flags don't change results. */
inline float fma32(float a, float b, float c) {
#if defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

/* Applies activation `kind` (rnn_format.h) to v[0, n); softmax takes them as one row. */
void activate(uint8_t kind, float* v, uint16_t n);

/* As above; alpha is what ELU and leaky ReLU are scaled by below 0. */
void activate(uint8_t kind, float* v, uint16_t n, float alpha);

/* Those from kFirstRare on. */
void activate_rare(uint8_t kind, float* v, uint16_t n, float alpha);

float sigmoid(float x);
float tanh(float x);
float exp(float x);

}  // namespace rnn
}  // namespace hil
#endif
