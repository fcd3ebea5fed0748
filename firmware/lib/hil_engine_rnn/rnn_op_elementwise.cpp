/* Layers that touch each number once: masks, batch normalisation at inference, sums and products of two tensors. */
#include <string.h>

#include "rnn_flash.h"
#include "rnn_math.h"
#include "rnn_ops.h"

namespace hil {
namespace rnn {

namespace {

bool rows_fit(uint16_t steps, uint16_t width) { return steps != 0 && steps <= kMaxSteps && width != 0 && width <= kMaxWidth; }

}  // namespace

bool mask_check(const Model& model, uint32_t at) {
  if (!record_fits<MaskRecord>(model, at)) return false;
  const MaskRecord r = read_record<MaskRecord>(model, at);
  if (r.op.flags != 0 || !rows_fit(r.steps, r.width)) return false;
  const uint32_t floats = uint32_t(r.steps) * r.width;
  const uint32_t mask_floats = (r.steps + 3u) / 4u;
  return model.arena_holds(r.src, floats) && model.arena_holds(r.dst, floats) && model.arena_holds(r.mask, mask_floats) &&
         (r.src == r.dst || disjoint(r.src, floats, r.dst, floats)) && disjoint(r.mask, mask_floats, r.src, floats) &&
         disjoint(r.mask, mask_floats, r.dst, floats);
}

void mask_run(const Model& model, uint32_t at) {
  const MaskRecord r = read_record<MaskRecord>(model, at);
  const float* src = model.floats(r.src);
  float* dst = model.floats(r.dst);
  uint8_t* mask = model.arena + r.mask;
  for (uint16_t step = 0; step < r.steps; ++step) {
    uint8_t live = 0;
    for (uint16_t j = 0; j < r.width; ++j) live |= uint8_t(src[j] != r.value);
    mask[step] = live;
    for (uint16_t j = 0; j < r.width; ++j) dst[j] = live ? src[j] : 0.0f;
    src += r.width;
    dst += r.width;
  }
}

bool length_mask_check(const Model& model, uint32_t at) {
  if (!record_fits<LengthMaskRecord>(model, at)) return false;
  const LengthMaskRecord r = read_record<LengthMaskRecord>(model, at);
  const uint32_t mask_floats = (r.steps + 3u) / 4u;
  return r.op.flags == 0 && r.steps != 0 && r.steps <= kMaxSteps && model.arena_holds(r.length, 1) &&
         model.arena_holds(r.mask, mask_floats) && disjoint(r.length, 1, r.mask, mask_floats);
}

void length_mask_run(const Model& model, uint32_t at) {
  const LengthMaskRecord r = read_record<LengthMaskRecord>(model, at);
  int16_t length;
  memcpy(&length, model.arena + r.length, sizeof length);
  uint8_t* mask = model.arena + r.mask;
  for (uint16_t step = 0; step < r.steps; ++step) mask[step] = int32_t(step) < length;
}

bool scale_check(const Model& model, uint32_t at) {
  if (!record_fits<ScaleRecord>(model, at)) return false;
  const ScaleRecord r = read_record<ScaleRecord>(model, at);
  if (r.op.flags != 0 || !rows_fit(r.steps, r.width)) return false;
  const uint32_t floats = uint32_t(r.steps) * r.width;
  return model.arena_holds(r.src, floats) && model.arena_holds(r.dst, floats) && model.blob_holds(r.weights, 2u * r.width) &&
         (r.src == r.dst || disjoint(r.src, floats, r.dst, floats));
}

void scale_run(const Model& model, uint32_t at) {
  const ScaleRecord r = read_record<ScaleRecord>(model, at);
  const float* src = model.floats(r.src);
  const float* w = model.weights(r.weights);
  float* dst = model.floats(r.dst);
  for (uint16_t step = 0; step < r.steps; ++step) {
    for (uint16_t j = 0; j < r.width; ++j) dst[j] = fma32(src[j], flash_float(w + j), flash_float(w + r.width + j));
    src += r.width;
    dst += r.width;
  }
}

bool merge_check(const Model& model, uint32_t at) {
  if (!record_fits<MergeRecord>(model, at)) return false;
  const MergeRecord r = read_record<MergeRecord>(model, at);
  if (r.op.flags != 0 || r.count == 0 || r.count > kMaxArenaBytes / 4 || r.mode >= kMergeModeCount) return false;
  return model.arena_holds(r.a, r.count) && model.arena_holds(r.b, r.count) && model.arena_holds(r.dst, r.count) &&
         (r.dst == r.a || disjoint(r.a, r.count, r.dst, r.count)) && (r.dst == r.b || disjoint(r.b, r.count, r.dst, r.count));
}

void merge_run(const Model& model, uint32_t at) {
  const MergeRecord r = read_record<MergeRecord>(model, at);
  const float* a = model.floats(r.a);
  const float* b = model.floats(r.b);
  float* dst = model.floats(r.dst);
  for (uint32_t i = 0; i < r.count; ++i) {
    float v = a[i];
    switch (r.mode) {
      case kAdd:
        v += b[i];
        break;
      case kMultiply:
        v *= b[i];
        break;
      case kSubtract:
        v -= b[i];
        break;
      case kMaximum:
        v = b[i] > v ? b[i] : v;
        break;
      default:
        v = b[i] < v ? b[i] : v;
        break;
    }
    dst[i] = v / r.divisor;
  }
}

}  // namespace rnn
}  // namespace hil
