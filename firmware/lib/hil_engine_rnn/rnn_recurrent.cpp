#include "rnn_recurrent.h"

#include <string.h>

namespace hil {
namespace rnn {

namespace {

struct Span {
  uint32_t at;
  uint32_t floats;
};

bool all_disjoint(const Span* spans, uint8_t count) {
  for (uint8_t i = 0; i < count; ++i) {
    for (uint8_t j = 0; j < i; ++j) {
      if (spans[i].floats != 0 && spans[j].floats != 0 && !disjoint(spans[i].at, spans[i].floats, spans[j].at, spans[j].floats))
        return false;
    }
  }
  return true;
}

}  // namespace

bool recurrent_sizes_fit(const RecurrentRecord& r) {
  return r.steps != 0 && r.steps <= kMaxSteps && r.inputs != 0 && r.inputs <= kMaxUnits && r.units != 0 && r.units <= kMaxUnits;
}

bool recurrent_check(const Model& model, const RecurrentRecord& r, uint16_t flags, const CellNeeds& needs) {
  if ((r.op.flags & ~flags) != 0 || !is_elementwise(r.activation) || !is_elementwise(r.recurrent_activation)) return false;
  const bool sequences = (r.op.flags & kReturnSequences) != 0;
  const bool masked = (r.op.flags & kMasked) != 0;
  if (sequences && r.dst_stride < r.units) return false;
  const uint32_t dst_floats = sequences ? uint32_t(r.steps - 1) * r.dst_stride + r.units : r.units;
  const bool dst_is_h = r.dst == r.h && !sequences && !masked;
  const Span spans[] = {{r.src, uint32_t(r.steps) * r.inputs},
                        {r.dst, dst_is_h ? 0 : dst_floats},
                        {r.h, r.units},
                        {r.c, needs.cell_floats},
                        {r.z, needs.z_floats},
                        {r.mask, masked ? (r.steps + 3u) / 4u : 0}};
  const uint8_t count = sizeof spans / sizeof *spans;
  for (uint8_t i = 0; i < count; ++i) {
    if (spans[i].floats != 0 && !model.arena_holds(spans[i].at, spans[i].floats)) return false;
  }
  return model.blob_holds(r.weights, needs.weight_floats) && all_disjoint(spans, count);
}

void recurrent_run(const Model& model, uint32_t at, Step step) {
  const RecurrentRecord r = read_record<RecurrentRecord>(model, at);
  const Cell cell = {model.weights(r.weights),
                     model.floats(r.h),
                     model.floats(r.c),
                     model.floats(r.z),
                     r.inputs,
                     r.units,
                     r.op.flags,
                     r.op.layout,
                     r.activation,
                     r.recurrent_activation};
  const uint16_t flags = r.op.flags;
  const size_t row_bytes = r.units * sizeof(float);
  if (flags & kFreshState) {
    memset(cell.h, 0, row_bytes);
    if (r.op.kind != kOpGru && r.op.kind != kOpSimpleRnn) memset(cell.c, 0, row_bytes);
  }
  const uint8_t* mask = (flags & kMasked) ? model.arena + r.mask : nullptr;
  const float* x = model.floats(r.src);
  int32_t x_step = r.inputs;
  if (flags & kGoBackwards) {
    x += uint32_t(r.steps - 1) * r.inputs;
    x_step = -x_step;
    if (mask != nullptr) mask += r.steps - 1;
  }
  float* row = model.floats(r.dst);
  int32_t row_step = r.dst_stride;
  if (flags & kFlipOutput) {
    row += uint32_t(r.steps - 1) * r.dst_stride;
    row_step = -row_step;
  }

  bool live = true;
  bool begun = false; /* before the first step that counts the output is 0, whatever h is */
  for (uint16_t left = r.steps; left != 0; --left) {
    if (mask != nullptr) {
      live = *mask != 0;
      mask += (flags & kGoBackwards) ? -1 : 1;
    }
    if (live) {
      step(cell, x);
      begun = true;
    }
    x += x_step;
    if (flags & kReturnSequences) {
      if (live || (begun && !(flags & kZeroMasked))) {
        memcpy(row, cell.h, row_bytes);
      } else {
        memset(row, 0, row_bytes);
      }
      row += row_step;
    }
  }
  if (flags & kReturnSequences) return;
  if (!live && (!begun || (flags & kZeroMasked))) {
    memset(row, 0, row_bytes);
  } else if (row != cell.h) {
    memcpy(row, cell.h, row_bytes);
  }
}

}  // namespace rnn
}  // namespace hil
