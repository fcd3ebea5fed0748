/* An activation as a layer of its own; with strides also what copies, repeats and joins tensors. */
#include <string.h>

#include "rnn_math.h"
#include "rnn_ops.h"

namespace hil {
namespace rnn {

bool activation_check(const Model& model, uint32_t at) {
  if (!record_fits<ActivationRecord>(model, at)) return false;
  const ActivationRecord r = read_record<ActivationRecord>(model, at);
  if (r.op.flags != 0 || r.steps == 0 || r.steps > kMaxSteps || r.width == 0 || r.width > kMaxWidth) return false;
  if (!is_activation(r.activation) || (r.dst_stride < r.width && r.steps > 1)) return false;
  const uint32_t src_floats = uint32_t(r.steps - 1) * r.src_stride + r.width;
  const uint32_t dst_floats = uint32_t(r.steps - 1) * r.dst_stride + r.width;
  const bool in_place = r.src == r.dst && r.src_stride == r.dst_stride;
  return model.arena_holds(r.src, src_floats) && model.arena_holds(r.dst, dst_floats) &&
         (in_place || disjoint(r.src, src_floats, r.dst, dst_floats));
}

void activation_run(const Model& model, uint32_t at) {
  const ActivationRecord r = read_record<ActivationRecord>(model, at);
  const float* src = model.floats(r.src);
  float* dst = model.floats(r.dst);
  for (uint16_t step = 0; step < r.steps; ++step) {
    if (src != dst) memcpy(dst, src, r.width * sizeof(float));
    activate(r.activation, dst, r.width, r.alpha);
    src += r.src_stride;
    dst += r.dst_stride;
  }
}

}  // namespace rnn
}  // namespace hil
