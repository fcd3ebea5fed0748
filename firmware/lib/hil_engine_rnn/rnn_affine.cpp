/* Rows of weights over one or two vectors: the sums behind every layer but the LSTM, which has an order of its own. */
#include "rnn_hot.h"

#include "rnn_flash.h"
#include "rnn_math.h"
#include "rnn_matvec.h"

namespace hil {
namespace rnn {

const float* affine_float(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* out, uint16_t n) {
  const Matvec8Out to = {out, uint16_t(n / 8), 8, 2};
  w = matvec8(w, x, nx, h, nh, to);
  for (uint16_t j = n & ~7u; j < n; ++j) {
    out[j] = dot(dot(flash_float(w), w + 1, x, nx), w + 1 + nx, h, nh);
    w += 1 + nx + nh;
  }
  return w;
}

/* sum of q * x */
static float dot_int8(const int8_t* q, const float* x, uint16_t n) {
  float sum = 0;
  for (const float* end = x + n; x != end; ++x) sum = fma32(float(flash_int8(q++)), *x, sum);
  return sum;
}

const float* affine_int8(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* out, uint16_t n) {
  const int8_t* q = reinterpret_cast<const int8_t*>(w + 3u * n);
  for (uint16_t j = 0; j < n; ++j) {
    float sum = fma32(dot_int8(q, x, nx), flash_float(w + 1), flash_float(w));
    if (nh != 0) sum = fma32(dot_int8(q + nx, h, nh), flash_float(w + 2), sum);
    out[j] = sum;
    q += nx + nh;
    w += 3;
  }
  return w + (uint32_t(n) * (uint32_t(nx) + nh) + 3) / 4;
}

}  // namespace rnn
}  // namespace hil
