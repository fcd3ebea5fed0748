/* LSTM as Keras computes it: [i f c o] = W x + U h + b; c = f*c + i*act(c~); h = o*act(c). */
#include "rnn_hot.h"

#include <string.h>

#include "rnn_math.h"
#include "rnn_matvec.h"
#include "rnn_ops.h"

namespace hil {
namespace rnn {

bool lstm_check(const Model& model, uint32_t at) {
  if (!record_fits<LstmRecord>(model, at)) return false;
  const LstmRecord r = read_record<LstmRecord>(model, at);
  if ((r.op.flags & ~kReturnSequences) != 0) return false;
  if (r.steps == 0 || r.steps > kMaxSteps || r.inputs == 0 || r.inputs > kMaxUnits || r.units == 0 || r.units > kMaxUnits) return false;
  if (r.activation >= kSoftmax || r.recurrent_activation >= kSoftmax) return false;
  const uint32_t units = r.units;
  const uint32_t padded = (units + 1) & ~1ul;
  const uint32_t src_floats = uint32_t(r.steps) * r.inputs;
  const uint32_t dst_floats = (r.op.flags & kReturnSequences) ? r.steps * units : units;
  const bool in_state = r.dst == r.h && (r.op.flags & kReturnSequences) == 0;
  return model.arena_holds(r.src, src_floats) && model.arena_holds(r.dst, dst_floats) && model.state_holds(r.h, units) &&
         model.state_holds(r.c, units) && model.arena_holds(r.z, 4 * padded) &&
         model.blob_holds(r.weights, 4 * padded * (1 + r.inputs + units)) && disjoint(r.src, src_floats, r.dst, dst_floats) &&
         disjoint(r.z, 4 * padded, r.src, src_floats) && disjoint(r.z, 4 * padded, r.dst, dst_floats) &&
         disjoint(r.z, 4 * padded, r.h, units) && disjoint(r.z, 4 * padded, r.c, units) && disjoint(r.h, units, r.c, units) &&
         disjoint(r.dst, dst_floats, r.c, units) && (in_state || disjoint(r.dst, dst_floats, r.h, units));
}

void lstm_run(const Model& model, uint32_t at) {
  const LstmRecord r = read_record<LstmRecord>(model, at);
  const uint16_t units = r.units;
  const uint16_t padded = uint16_t((units + 1) & ~1);
  const float* x = model.floats(r.src);
  float* dst = model.floats(r.dst);
  float* h = model.floats(r.h);
  float* c = model.floats(r.c);
  float* const zi = model.floats(r.z);
  float* const zf = zi + padded;
  float* const zo = zf + padded;
  float* const zc = zo + padded;
  const Matvec8Out to = {zi, uint16_t(padded / 2), 2, padded};

  for (uint16_t step = 0; step < r.steps; ++step) {
    matvec8(model.weights(r.weights), x, r.inputs, h, units, to);
    x += r.inputs;

    activate(r.recurrent_activation, zi, uint16_t(3 * padded));
    activate(r.activation, zc, padded);
    HIL_RNN_UNROLL(4)
    for (uint16_t j = 0; j < units; ++j) {
      const float v = fma32(zf[j], c[j], zi[j] * zc[j]);
      c[j] = v;
      zc[j] = v;
    }
    activate(r.activation, zc, padded);
    float* const row = (r.op.flags & kReturnSequences) ? dst : h;
    HIL_RNN_UNROLL(4)
    for (uint16_t j = 0; j < units; ++j) {
      const float v = zo[j] * zc[j];
      h[j] = v;
      row[j] = v;
    }
    dst = (r.op.flags & kReturnSequences) ? dst + units : dst;
  }
  if (!(r.op.flags & kReturnSequences) && dst != h) memcpy(dst, h, units * sizeof(float));
}

}  // namespace rnn
}  // namespace hil
