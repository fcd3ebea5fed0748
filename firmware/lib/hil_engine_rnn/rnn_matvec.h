/* Multiply-accumulate kernels over weights in flash. Sums run in a fixed order (bias, then inputs in index order), so one board gives
 * the same bits every time; with a fused multiply-add each step rounds once.
 */
#ifndef HIL_RNN_MATVEC_H
#define HIL_RNN_MATVEC_H

#include <stdint.h>

namespace hil {
namespace rnn {

/* acc[0..8) = w[0..8) + sum over k of w[8 + 8k ..] * (x, then h)[k]. Returns the weights' end. */
const float* matvec8(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* acc);

/* w[0] + sum over k of w[1 + k] * x[k]; w[0 .. n] are read. */
float dot(const float* w, const float* x, uint16_t n);

}  // namespace rnn
}  // namespace hil
#endif
