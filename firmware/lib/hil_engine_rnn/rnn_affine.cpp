/* Rows of weights over one or two vectors: the sums behind every layer but the LSTM, which has an order of its own. */
#include "rnn_flash.h"
#include "rnn_matvec.h"

namespace hil {
namespace rnn {

const float* affine(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* out, uint16_t n) {
  const Matvec8Out to = {out, uint16_t(n / 8), 8, 2};
  w = matvec8(w, x, nx, h, nh, to);
  for (uint16_t j = n & ~7u; j < n; ++j) {
    out[j] = dot(dot(flash_float(w), w + 1, x, nx), w + 1 + nx, h, nh);
    w += 1 + nx + nh;
  }
  return w;
}

}  // namespace rnn
}  // namespace hil
