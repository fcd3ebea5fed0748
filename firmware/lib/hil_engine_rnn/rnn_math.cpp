#include "rnn_math.h"

#include <string.h>

#include "rnn_format.h"

namespace hil {
namespace rnn {

namespace {

inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Of |x|, as integers: an integer comparison costs less than a float one on a Cortex-M4F and sorts NaN above everything. */
enum : uint32_t {
  kSignBit = 0x80000000u,
  kBits87 = 0x42AE0000u,       /* 87.0f: e^-87 and e^87 are still normal */
  kBitsTanhNear = 0x3F0CCCCDu, /* 0.55f */
  kBitsTanhOne = 0x41102CB3u,  /* 9.0109f: from here on tanh rounds to 1 */
  kBitsInfinity = 0x7F800000u
};

const float kRound = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits */
const float kLog2e = 1.44269504f;
const float kLn2Hi = 0.693359375f; /* few bits: its product with |n| <= 150 is exact without a fused multiply-add too */
const float kLn2Lo = -2.12194440e-4f;

/* e^y = 2^n * m for |y| <= 104: returns m in [0.70, 1.42], and n in the low bits of *n (to be shifted up by 23).
 * m = 1 + r + r^2 Q(r); Q is a minimax fit over |r| <= ln2 / 2: relative error 2^-28 (exact), 5.4e-6 (fast). */
inline float exp_split(float y, uint32_t* n) {
  const float t = fma32(y, kLog2e, kRound);
  const float k = t - kRound;
  float r = fma32(k, -kLn2Hi, y);
  *n = bits_of(t);
#if HIL_RNN_FAST_MATH
  r = fma32(k, -kLn2Lo, r);
  const float r2 = r * r;
  const float q = fma32(r2, 0.0412762314081192f, fma32(r, 0.1675386130809784f, 0.5000515580177307f));
#else
  r = fma32(k, -kLn2Lo, r);
  const float r2 = r * r;
  const float high = fma32(r2, 0.0013814320554956794f, fma32(r, 0.008368851616978645f, 0.041668400168418884f));
  const float q = fma32(r2, high, fma32(r, 0.1666651964187622f, 0.4999999403953552f));
#endif
  return fma32(r2, q, r) + 1.0f;
}

inline float scale(float m, uint32_t n) { return float_of(bits_of(m) + (n << 23)); }

/* e^x for x in [-104, -87], where the result is not normal any more: scaled down in a multiplication of its own. */
float exp_subnormal(float x) {
  uint32_t n;
  const float m = exp_split(x, &n);
  return scale(m, n + 64) * 5.421010862427522e-20f; /* 2^-64 */
}

/* |x| > 87, infinite or NaN. */
float sigmoid_far(float x) {
  if (x != x) return x;
  if (x > 0) return 1.0f;
  return x < -104.0f ? 0.0f : exp_subnormal(x);
}

inline float sigmoid_one(float x) {
  if ((bits_of(x) & ~kSignBit) > kBits87) return sigmoid_far(x);
  uint32_t n;
  const float m = exp_split(-x, &n);
  return 1.0f / (1.0f + scale(m, n));
}

inline float tanh_one(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t magnitude = bits & ~kSignBit;
  if (magnitude >= kBitsTanhOne) return magnitude > kBitsInfinity ? x : float_of(0x3F800000u | (bits & kSignBit));
  uint32_t n;
#if HIL_RNN_FAST_MATH
  const float m = exp_split(x + x, &n);
  return 1.0f - 2.0f / (1.0f + scale(m, n));
#else
  if (magnitude < kBitsTanhNear) { /* x + x^3 P(x^2); the way below would cancel */
    const float x2 = x * x;
    const float high = fma32(x2, 0.01643756590783596f, -0.052671805024147034f);
    const float p = fma32(x2 * x2, high, fma32(x2, 0.13320724666118622f, -0.3333294689655304f));
    return fma32(x * x2, p, x);
  }
  /* |tanh x| = 1 - 2 / (1 + e^2|x|): of the two signs the one whose quotient, and so its error, is small. */
  const float y = float_of(magnitude);
  const float m = exp_split(y + y, &n);
  return float_of(bits_of(1.0f - 2.0f / (1.0f + scale(m, n))) | (bits & kSignBit));
#endif
}

void softmax(float* v, uint16_t n) {
  float top = v[0];
  for (uint16_t i = 1; i < n; ++i) {
    if (v[i] > top) top = v[i];
  }
  float sum = 0;
  for (uint16_t i = 0; i < n; ++i) {
    v[i] = exp(v[i] - top);
    sum += v[i];
  }
  for (uint16_t i = 0; i < n; ++i) v[i] /= sum;
}

}  // namespace

float sigmoid(float x) { return sigmoid_one(x); }

float tanh(float x) { return tanh_one(x); }

float exp(float x) {
  if ((bits_of(x) & ~kSignBit) <= kBits87) {
    uint32_t n;
    const float m = exp_split(x, &n);
    return scale(m, n);
  }
  if (x != x) return x;
  if (x < 0) return x < -104.0f ? 0.0f : exp_subnormal(x);
  if (x > 88.8f) return float_of(kBitsInfinity);
  uint32_t n;
  const float m = exp_split(x, &n);
  return scale(m, n - 1) * 2.0f; /* 2^128 * m may still be finite, or overflow as it should */
}

void activate(uint8_t kind, float* v, uint16_t n) {
  float* const end = v + n;
  switch (kind) {
    case kRelu:
      for (; v != end; ++v) {
        if (*v < 0) *v = 0;
      }
      break;
    case kTanh:
      for (; v != end; ++v) *v = tanh_one(*v);
      break;
    case kSigmoid:
      for (; v != end; ++v) *v = sigmoid_one(*v);
      break;
    case kHardSigmoid: /* Keras 3: relu6(x + 3) / 6 */
      for (; v != end; ++v) {
        float y = *v + 3.0f;
        if (y < 0) y = 0;
        if (y > 6.0f) y = 6.0f;
        *v = y / 6.0f;
      }
      break;
    case kSoftmax:
      softmax(v, n);
      break;
    default:
      break; /* linear */
  }
}

}  // namespace rnn
}  // namespace hil
