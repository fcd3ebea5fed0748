/* Compares sigmoid, tanh and exp with double precision over float32 inputs.
 *
 *   math_sweep FUNCTION STRIDE [CENTRAL]   every STRIDE-th bit pattern, and every CENTRAL-th where |x| lies in [2^-26, 128)
 *                                           -> "ulp abs checksum", worst of all and where on stderr
 *
 * The reference is rounded to float32 once: it differs from the correctly rounded value in about one input of 2^29, by 1 ulp.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rnn_math.h"

namespace {

float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Floats in order as integers in order, so that a difference counts floats between. */
int64_t ordinal(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits < 0 ? int64_t(INT32_MIN) - bits : bits;
}

double reference(char function, double x) {
  switch (function) {
    case 's':
      return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
    case 't':
      return tanh(x);
    default:
      return exp(x);
  }
}

float computed(char function, float x) {
  switch (function) {
    case 's':
      return hil::rnn::sigmoid(x);
    case 't':
      return hil::rnn::tanh(x);
    default:
      return hil::rnn::exp(x);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const char function = argv[1][0];
  const uint64_t stride = strtoull(argv[2], nullptr, 10);
  const uint64_t central = argc > 3 ? strtoull(argv[3], nullptr, 10) : stride;
  int64_t worst_ulp = 0;
  double worst_abs = 0;
  uint32_t at_ulp = 0, at_abs = 0, sum = 0;
  for (uint64_t bits = 0; bits < (1ull << 32);) {
    const uint32_t magnitude = uint32_t(bits) & 0x7FFFFFFFu;
    const float x = float_of(uint32_t(bits));
    const float y = computed(function, x);
    uint32_t y_bits;
    memcpy(&y_bits, &y, sizeof y_bits);
    if (x != x) {
      if (y == y) {
        fprintf(stderr, "NaN in, number out: %08x\n", uint32_t(bits));
        return 1;
      }
    } else {
      sum = sum * 31 + y_bits;
      const double r = reference(function, double(x));
      const float rounded = float(r);
      const int64_t ulp = llabs(ordinal(y) - ordinal(rounded));
      const double error = y == rounded ? fabs(isinf(rounded) ? 0.0 : double(y) - r) : fabs(double(y) - r);
      if (ulp > worst_ulp) {
        worst_ulp = ulp;
        at_ulp = uint32_t(bits);
      }
      if (error > worst_abs || error != error) {
        worst_abs = error;
        at_abs = uint32_t(bits);
      }
    }
    bits += magnitude >= 0x32800000u && magnitude < 0x43000000u ? central : stride;
  }
  printf("%lld %.9g %08x\n", static_cast<long long>(worst_ulp), worst_abs, sum);
  fprintf(stderr, "worst ulp at %.9g, worst error at %.9g\n", double(float_of(at_ulp)), double(float_of(at_abs)));
  return 0;
}
