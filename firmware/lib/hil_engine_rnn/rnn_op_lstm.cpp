/* LSTM as Keras computes it: [i f c o] = W x + U h + b; c = f*c + i*act(c~); h = o*act(c). */
#include "rnn_hot.h"

#include "rnn_math.h"
#include "rnn_matvec.h"
#include "rnn_recurrent.h"

namespace hil {
namespace rnn {

/* Floats from one gate to the next in z. */
static uint16_t gate_step(uint8_t layout, uint16_t units) {
  return HIL_RNN_USES_LAYOUT(kInt8Weights) && layout == kInt8Weights ? units : uint16_t((units + 1) & ~1);
}

bool lstm_check(const Model& model, uint32_t at) {
  if (!record_fits<RecurrentRecord>(model, at, kInt8Weights)) return false;
  const RecurrentRecord r = read_record<RecurrentRecord>(model, at);
  if (!recurrent_sizes_fit(r)) return false;
  const uint32_t padded = gate_step(r.op.layout, r.units);
  const uint32_t floats =
      r.op.layout == kInt8Weights ? affine_floats(kInt8Weights, 4 * padded, r.inputs, r.units) : 4 * padded * (1u + r.inputs + r.units);
  const CellNeeds needs = {4 * padded, r.units, floats};
  return recurrent_check(model, r, kRecurrentFlags & ~kResetAfter, needs);
}

static void lstm_step(const Cell& cell, const float* x) {
  const uint16_t units = cell.units;
  const uint16_t padded = gate_step(cell.layout, units);
  float* const h = cell.h;
  float* const c = cell.c;
  float* const zi = cell.z;
  float* const zf = zi + padded;
  float* const zo = zf + padded;
  float* const zc = zo + padded;
  if (HIL_RNN_USES_LAYOUT(kInt8Weights) && cell.layout == kInt8Weights) {
    affine_int8(cell.weights, x, cell.inputs, h, units, zi, uint16_t(4 * units));
  } else {
    const Matvec8Out to = {zi, uint16_t(padded / 2), 2, padded};
    matvec8(cell.weights, x, cell.inputs, h, units, to);
  }

  activate(cell.recurrent_activation, zi, uint16_t(3 * padded));
  activate(cell.activation, zc, padded);
  HIL_RNN_UNROLL(4)
  for (uint16_t j = 0; j < units; ++j) {
    const float v = fma32(zf[j], c[j], zi[j] * zc[j]);
    c[j] = v;
    zc[j] = v;
  }
  activate(cell.activation, zc, padded);
  HIL_RNN_UNROLL(4)
  for (uint16_t j = 0; j < units; ++j) h[j] = zo[j] * zc[j];
}

void lstm_run(const Model& model, uint32_t at) { recurrent_run(model, at, lstm_step); }

}  // namespace rnn
}  // namespace hil
