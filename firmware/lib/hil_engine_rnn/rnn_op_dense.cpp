/* Dense: act(W x + b), on a vector or on each step of a sequence. */
#include "rnn_math.h"
#include "rnn_matvec.h"
#include "rnn_ops.h"

namespace hil {
namespace rnn {

bool dense_check(const Model& model, uint32_t at) {
  if (!record_fits<DenseRecord>(model, at, kInt8Weights)) return false;
  const DenseRecord r = read_record<DenseRecord>(model, at);
  if (r.op.flags != 0) return false;
  if (r.steps == 0 || r.steps > kMaxSteps || r.inputs == 0 || r.inputs > kMaxWidth || r.outputs == 0 || r.outputs > kMaxWidth) return false;
  if (!is_activation(r.activation)) return false;
  const uint32_t src_floats = uint32_t(r.steps) * r.inputs;
  const uint32_t dst_floats = uint32_t(r.steps) * r.outputs;
  return model.arena_holds(r.src, src_floats) && model.arena_holds(r.dst, dst_floats) &&
         model.blob_holds(r.weights, affine_floats(r.op.layout, r.outputs, r.inputs, 0)) && disjoint(r.src, src_floats, r.dst, dst_floats);
}

void dense_run(const Model& model, uint32_t at) {
  const DenseRecord r = read_record<DenseRecord>(model, at);
  const float* x = model.floats(r.src);
  float* dst = model.floats(r.dst);
  for (uint16_t step = 0; step < r.steps; ++step) {
    affine(r.op.layout, model.weights(r.weights), x, r.inputs, x, 0, dst, r.outputs);
    activate(r.activation, dst, r.outputs);
    x += r.inputs;
    dst += r.outputs;
  }
}

}  // namespace rnn
}  // namespace hil
