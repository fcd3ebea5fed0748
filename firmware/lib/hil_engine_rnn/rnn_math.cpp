#include "rnn_hot.h"

#include "rnn_math.h"

#include <string.h>

#if HIL_RNN_FAST_MATH
#include "rnn_fast_table.h"
#endif
#include "rnn_format.h"
#include "rnn_matvec.h"
#include "rnn_uses.h"

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
  kBits8 = 0x41000000u,        /* 8.0f */
  kBitsOne = 0x3F800000u,
  kBitsInfinity = 0x7F800000u
};

const float kRound = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits */
const float kLog2e = 1.44269504f;
const float kLn2Hi = 0.693359375f; /* few bits: its product with |n| <= 150 is exact without a fused multiply-add too */
const float kLn2Lo = -2.12194440e-4f;

/* e^y = 2^n * m for |y| <= 104: returns m in [0.70, 1.42], and n in the low bits of *n (to be shifted up by 23).
 * m = 1 + r + r^2 Q(r); Q is a minimax fit over |r| <= ln2 / 2 with a relative error of 2^-28. */
inline float exp_split(float y, uint32_t* n) {
  const float t = fma32(y, kLog2e, kRound);
  const float k = t - kRound;
  const float r = fma32(k, -kLn2Lo, fma32(k, -kLn2Hi, y));
  const float r2 = r * r;
  const float high = fma32(r2, 0.0013814320554956794f, fma32(r, 0.008368851616978645f, 0.041668400168418884f));
  const float q = fma32(r2, high, fma32(r, 0.1666651964187622f, 0.4999999403953552f));
  *n = bits_of(t);
  return fma32(r2, q, r) + 1.0f;
}

inline float scale(float m, uint32_t n) { return float_of(bits_of(m) + (n << 23)); }

/* e^x for x in [-104, -87], where the result is not normal any more: scaled down in a multiplication of its own. */
HIL_RNN_COLD float exp_subnormal(float x) {
  uint32_t n;
  const float m = exp_split(x, &n);
  return scale(m, n + 64) * 5.421010862427522e-20f; /* 2^-64 */
}

#if !HIL_RNN_FAST_MATH
/* |x| > 87, infinite or NaN. */
HIL_RNN_COLD float sigmoid_far(float x) {
  if (x != x) return x;
  if (x > 0) return 1.0f;
  return x < -104.0f ? 0.0f : exp_subnormal(x);
}
#endif

/* x is so large that tanh rounds to +-1, or NaN. */
HIL_RNN_COLD float tanh_far(float x, uint32_t bits) {
  return (bits & ~kSignBit) > kBitsInfinity ? x : float_of(kBitsOne | (bits & kSignBit));
}

#if HIL_RNN_FAST_MATH

struct Piece {
  float a, b, c, d;
};

inline Piece load_piece(const float* from) {
#if HIL_RNN_MATVEC_ARM
  /* One vldm instead of four vldr. */
  register float a __asm__("s12");
  register float b __asm__("s13");
  register float c __asm__("s14");
  register float d __asm__("s15");
  __asm__("vldmia %4, {s12-s15}" : "=t"(a), "=t"(b), "=t"(c), "=t"(d) : "r"(from), "m"(*reinterpret_cast<const float(*)[4]>(from)));
  const Piece piece = {a, b, c, d};
#else
  const Piece piece = {flash_float(from), flash_float(from + 1), flash_float(from + 2), flash_float(from + 3)};
#endif
  return piece;
}

/* Adding 1.5 * 2^20 rounds to a multiple of 1/8; the 8 more make the lowest byte of the sum the number of the piece. */
const float kRoundToEighth = 1572864.0f + float(kTanhPieces) / 8;

inline float tanh_one(float x) {
  const uint32_t bits = bits_of(x);
  if (HIL_RNN_RARELY((bits & ~kSignBit) >= kBits8)) return tanh_far(x, bits);
  const float t = x + kRoundToEighth;
  const float f = x - (t - kRoundToEighth);
  const Piece piece = load_piece(kTanhTable + 4 * uint8_t(bits_of(t)));
  return fma32(fma32(fma32(piece.d, f, piece.c), f, piece.b), f, piece.a);
}

inline float sigmoid_one(float x) { return fma32(0.5f, tanh_one(0.5f * x), 0.5f); }

#else

inline float sigmoid_one(float x) {
  if (HIL_RNN_RARELY((bits_of(x) & ~kSignBit) > kBits87)) return sigmoid_far(x);
  uint32_t n;
  const float m = exp_split(-x, &n);
  return 1.0f / (1.0f + scale(m, n));
}

inline float tanh_one(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t magnitude = bits & ~kSignBit;
  if (HIL_RNN_RARELY(magnitude >= kBitsTanhOne)) return tanh_far(x, bits);
  if (magnitude < kBitsTanhNear) { /* x + x^3 P(x^2); the way below would cancel */
    const float x2 = x * x;
    const float high = fma32(x2, 0.01643756590783596f, -0.052671805024147034f);
    const float p = fma32(x2 * x2, high, fma32(x2, 0.13320724666118622f, -0.3333294689655304f));
    return fma32(x * x2, p, x);
  }
  /* |tanh x| = 1 - 2 / (1 + e^2|x|): of the two signs the one whose quotient, and so its error, is small. */
  uint32_t n;
  const float y = float_of(magnitude);
  const float m = exp_split(y + y, &n);
  return float_of(bits_of(1.0f - 2.0f / (1.0f + scale(m, n))) | (bits & kSignBit));
}

#endif

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
  if (n == 0) return;
  float* const end = v + n;
  switch (kind) {
    case kRelu:
      for (; v != end; ++v) {
        if (*v < 0) *v = 0;
      }
      break;
    case kTanh:
      do *v = tanh_one(*v);
      while (++v != end);
      break;
    case kSigmoid:
      do *v = sigmoid_one(*v);
      while (++v != end);
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
    case kLinear:
      break;
    default:
      if (HIL_RNN_USES_RARE_ACTIVATIONS) activate_rare(kind, v, n, kind == kLeakyRelu ? 0.2f : 1.0f);
      break;
  }
}

void activate(uint8_t kind, float* v, uint16_t n, float alpha) {
  if (HIL_RNN_USES_RARE_ACTIVATIONS && kind >= kFirstRare) {
    activate_rare(kind, v, n, alpha);
  } else {
    activate(kind, v, n);
  }
}

}  // namespace rnn
}  // namespace hil
