/* The portable kernels. */
#include "rnn_hot.h"

#include "rnn_matvec.h"

#if !HIL_RNN_MATVEC_ARM

#include "rnn_flash.h"
#include "rnn_math.h"

namespace hil {
namespace rnn {

namespace {

struct Sums {
  float a0, a1, b0, b1, c0, c1, d0, d1; /* named, not an array: they stay in registers at every optimisation level */
};

inline const float* accumulate8(const float* w, const float* x, uint16_t n, Sums* sums) {
  Sums s = *sums;
  for (const float* end = x + n; x != end; ++x) {
    const float v = *x;
    s.a0 = fma32(flash_float(w), v, s.a0);
    s.a1 = fma32(flash_float(w + 1), v, s.a1);
    s.b0 = fma32(flash_float(w + 2), v, s.b0);
    s.b1 = fma32(flash_float(w + 3), v, s.b1);
    s.c0 = fma32(flash_float(w + 4), v, s.c0);
    s.c1 = fma32(flash_float(w + 5), v, s.c1);
    s.d0 = fma32(flash_float(w + 6), v, s.d0);
    s.d1 = fma32(flash_float(w + 7), v, s.d1);
    w += 8;
  }
  *sums = s;
  return w;
}

inline void store2(float* to, float first, float second) {
  to[0] = first;
  to[1] = second;
}

}  // namespace

const float* matvec8(const float* w, const float* x, uint16_t nx, const float* h, uint16_t nh, const Matvec8Out& to) {
  float* out = to.out;
  for (uint16_t group = to.groups; group != 0; --group) {
    Sums s = {flash_float(w),     flash_float(w + 1), flash_float(w + 2), flash_float(w + 3),
              flash_float(w + 4), flash_float(w + 5), flash_float(w + 6), flash_float(w + 7)};
    w = accumulate8(w + 8, x, nx, &s);
    w = accumulate8(w, h, nh, &s);
    store2(out, s.a0, s.a1);
    store2(out + to.pair_step, s.b0, s.b1);
    store2(out + 2u * to.pair_step, s.c0, s.c1);
    store2(out + 3u * to.pair_step, s.d0, s.d1);
    out += to.group_step;
  }
  return w;
}

float dot(float sum, const float* w, const float* x, uint16_t n) {
  for (const float* end = x + n; x != end; ++x) sum = fma32(flash_float(w++), *x, sum);
  return sum;
}

}  // namespace rnn
}  // namespace hil
#endif
