/* Activations that few models use. Absolute errors stay below 3e-7 of the larger of 1 and the result. */
#include "rnn_hot.h"

#include "rnn_format.h"
#include "rnn_math.h"

namespace hil {
namespace rnn {

namespace {

/* e^x - 1 for x <= 0. */
float expm1_negative(float x) {
  if (x < -0.35f) return exp(x) - 1.0f;
  float p = 1.0f / 5040; /* Taylor: the first term left out is x^8 / 8! < 6e-9 of x */
  p = fma32(p, x, 1.0f / 720);
  p = fma32(p, x, 1.0f / 120);
  p = fma32(p, x, 1.0f / 24);
  p = fma32(p, x, 1.0f / 6);
  p = fma32(p, x, 0.5f);
  return fma32(p, x * x, x);
}

/* ln(1 + y) for 0 <= y <= 1: 2 artanh(t), t = y / (2 + y) <= 1/3; the first term left out is t^15 / 15 < 5e-9. */
float log1p_unit(float y) {
  const float t = y / (2.0f + y);
  const float t2 = t * t;
  float p = 1.0f / 13;
  p = fma32(p, t2, 1.0f / 11);
  p = fma32(p, t2, 1.0f / 9);
  p = fma32(p, t2, 1.0f / 7);
  p = fma32(p, t2, 1.0f / 5);
  p = fma32(p, t2, 1.0f / 3);
  const float t3 = t2 * t;
  return 2.0f * fma32(p, t3, t);
}

float softplus(float x) {
  const float magnitude = x < 0 ? -x : x;
  return (x > 0 ? x : 0.0f) + log1p_unit(exp(-magnitude));
}

/* Abramowitz and Stegun, 7.1.26: within 1.5e-7. */
float erf(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float t = 1.0f / fma32(0.3275911f, magnitude, 1.0f);
  float p = 1.061405429f;
  p = fma32(p, t, -1.453152027f);
  p = fma32(p, t, 1.421413741f);
  p = fma32(p, t, -0.284496736f);
  p = fma32(p, t, 0.254829592f);
  const float y = 1.0f - p * t * exp(-magnitude * magnitude);
  return x < 0 ? -y : y;
}

float relu6(float x) {
  if (x < 0) return 0;
  return x > 6.0f ? 6.0f : x;
}

float rare_one(uint8_t kind, float x, float alpha) {
  switch (kind) {
    case kElu:
      return x < 0 ? alpha * expm1_negative(x) : x;
    case kSelu:
      return 1.05070098f * (x < 0 ? 1.67326324f * expm1_negative(x) : x);
    case kSoftplus:
      return softplus(x);
    case kSoftsign:
      return x / (1.0f + (x < 0 ? -x : x));
    case kSilu:
      return x * sigmoid(x);
    case kLeakyRelu:
      return x < 0 ? alpha * x : x;
    case kExponential:
      return exp(x);
    case kRelu6:
      return relu6(x);
    case kHardSilu:
      return x * (relu6(x + 3.0f) / 6.0f);
    case kGelu:
      return 0.5f * x * (1.0f + erf(x * 0.70710678f));
    case kGeluTanh:
      return 0.5f * x * (1.0f + tanh(0.79788456f * fma32(0.044715f * x * x, x, x)));
    default:
      return x;
  }
}

}  // namespace

void activate_rare(uint8_t kind, float* v, uint16_t n, float alpha) {
  for (float* end = v + n; v != end; ++v) *v = rare_one(kind, *v, alpha);
}

}  // namespace rnn
}  // namespace hil
