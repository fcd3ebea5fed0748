#include "rnn_matvec.h"

#include "rnn_flash.h"
#include "rnn_math.h"

namespace hil {
namespace rnn {

namespace {

inline const float* accumulate8(const float* w, const float* x, uint16_t n, float* acc) {
  for (const float* end = x + n; x != end; ++x) {
    const float v = *x;
    for (uint8_t j = 0; j < 8; ++j) acc[j] = fma32(flash_float(w + j), v, acc[j]);
    w += 8;
  }
  return w;
}

}  // namespace

const float* matvec8(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, float* acc) {
  float sum[8];
  for (uint8_t j = 0; j < 8; ++j) sum[j] = flash_float(w + j);
  w = accumulate8(w + 8, x, nx, sum);
  w = accumulate8(w, h, nh, sum);
  for (uint8_t j = 0; j < 8; ++j) acc[j] = sum[j];
  return w;
}

float dot(const float* w, const float* x, uint16_t n) {
  float sum = flash_float(w++);
  for (const float* end = x + n; x != end; ++x) sum = fma32(flash_float(w++), *x, sum);
  return sum;
}

}  // namespace rnn
}  // namespace hil
