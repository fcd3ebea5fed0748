/* An activation as a layer of its own. */
#include <string.h>

#include "rnn_math.h"
#include "rnn_ops.h"

namespace hil {
namespace rnn {

bool activation_check(const Model& model, uint32_t at) {
  if (!record_fits<ActivationRecord>(model, at)) return false;
  const ActivationRecord r = read_record<ActivationRecord>(model, at);
  if (r.op.flags != 0) return false;
  if (r.steps == 0 || r.steps > kMaxSteps || r.width == 0 || r.width > kMaxWidth || r.activation >= kActivationCount) return false;
  const uint32_t floats = uint32_t(r.steps) * r.width;
  return model.arena_holds(r.src, floats) && model.arena_holds(r.dst, floats);
}

void activation_run(const Model& model, uint32_t at) {
  const ActivationRecord r = read_record<ActivationRecord>(model, at);
  float* dst = model.floats(r.dst);
  memmove(dst, model.floats(r.src), size_t(r.steps) * r.width * sizeof(float));
  for (uint16_t step = 0; step < r.steps; ++step) {
    activate(r.activation, dst, r.width);
    dst += r.width;
  }
}

}  // namespace rnn
}  // namespace hil
