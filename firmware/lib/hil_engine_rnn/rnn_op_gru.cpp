/* GRU as Keras computes it: z, r = sigma(W x + U h + b); h = z*h + (1 - z)*act(candidate), where the candidate is
 * W x + b + r * (U h + b') with kResetAfter, else W x + b + U (r * h).
 */
#include "rnn_hot.h"

#include "rnn_flash.h"
#include "rnn_math.h"
#include "rnn_matvec.h"
#include "rnn_recurrent.h"

namespace hil {
namespace rnn {

bool gru_check(const Model& model, uint32_t at) {
  if (!record_fits<RecurrentRecord>(model, at, kInt8Weights)) return false;
  const RecurrentRecord r = read_record<RecurrentRecord>(model, at);
  if (!recurrent_sizes_fit(r)) return false;
  const uint32_t floats = affine_floats(r.op.layout, 2u * r.units, r.inputs, r.units) + affine_floats(r.op.layout, r.units, r.inputs, 0) +
                          affine_floats(r.op.layout, r.units, r.units, 0);
  const CellNeeds needs = {4u * r.units, 0, floats};
  return recurrent_check(model, r, kRecurrentFlags, needs);
}

static void gru_step(const Cell& cell, const float* x) {
  const uint16_t units = cell.units;
  float* const h = cell.h;
  float* const z = cell.z;
  float* const r = z + units;
  float* const candidate = r + units;
  float* const inner = candidate + units;
  const float* w = affine(cell.layout, cell.weights, x, cell.inputs, h, units, z, uint16_t(2 * units));
  w = affine(cell.layout, w, x, cell.inputs, x, 0, candidate, units);
  activate(cell.recurrent_activation, z, uint16_t(2 * units));
  if (cell.flags & kResetAfter) {
    affine(cell.layout, w, h, units, h, 0, inner, units);
    for (uint16_t j = 0; j < units; ++j) candidate[j] = fma32(r[j], inner[j], candidate[j]);
  } else {
    for (uint16_t j = 0; j < units; ++j) r[j] *= h[j];
    affine(cell.layout, w, r, units, r, 0, inner, units);
    for (uint16_t j = 0; j < units; ++j) candidate[j] += inner[j];
  }
  activate(cell.activation, candidate, units);
  for (uint16_t j = 0; j < units; ++j) h[j] = fma32(z[j], h[j], (1.0f - z[j]) * candidate[j]);
}

void gru_run(const Model& model, uint32_t at) { recurrent_run(model, at, gru_step); }

}  // namespace rnn
}  // namespace hil
