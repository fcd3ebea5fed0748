/* Simple RNN: h = act(W x + U h + b). */
#include "rnn_hot.h"

#include <string.h>

#include "rnn_math.h"
#include "rnn_matvec.h"
#include "rnn_recurrent.h"

namespace hil {
namespace rnn {

bool simple_rnn_check(const Model& model, uint32_t at) {
  if (!record_fits<RecurrentRecord>(model, at, kInt8Weights)) return false;
  const RecurrentRecord r = read_record<RecurrentRecord>(model, at);
  if (!recurrent_sizes_fit(r)) return false;
  const CellNeeds needs = {r.units, 0, affine_floats(r.op.layout, r.units, r.inputs, r.units)};
  return recurrent_check(model, r, kRecurrentFlags & ~kResetAfter, needs);
}

static void simple_rnn_step(const Cell& cell, const float* x) {
  affine(cell.layout, cell.weights, x, cell.inputs, cell.h, cell.units, cell.z, cell.units);
  activate(cell.activation, cell.z, cell.units);
  memcpy(cell.h, cell.z, cell.units * sizeof(float));
}

void simple_rnn_run(const Model& model, uint32_t at) { recurrent_run(model, at, simple_rnn_step); }

}  // namespace rnn
}  // namespace hil
