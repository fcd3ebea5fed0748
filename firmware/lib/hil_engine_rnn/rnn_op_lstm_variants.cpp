/* LSTMs whose gates see the cell (peephole), or share one gate (coupled, CIFG). */
#include "rnn_hot.h"

#include "rnn_flash.h"
#include "rnn_math.h"
#include "rnn_matvec.h"
#include "rnn_recurrent.h"

namespace hil {
namespace rnn {

bool peephole_check(const Model& model, uint32_t at) {
  if (!record_fits<RecurrentRecord>(model, at, kInt8Weights)) return false;
  const RecurrentRecord r = read_record<RecurrentRecord>(model, at);
  if (!recurrent_sizes_fit(r)) return false;
  const CellNeeds needs = {4u * r.units, r.units, affine_floats(r.op.layout, 4u * r.units, r.inputs, r.units) + 3u * r.units};
  return recurrent_check(model, r, kRecurrentFlags & ~kResetAfter, needs);
}

/* i, f see the cell before the step, o the one after it. */
static void peephole_step(const Cell& cell, const float* x) {
  const uint16_t units = cell.units;
  float* const c = cell.c;
  float* const zi = cell.z;
  float* const zf = zi + units;
  float* const zc = zf + units;
  float* const zo = zc + units;
  const float* w = affine(cell.layout, cell.weights, x, cell.inputs, cell.h, units, zi, uint16_t(4 * units));
  for (uint16_t j = 0; j < 2 * units; ++j) zi[j] = fma32(flash_float(w + j), c[j < units ? j : j - units], zi[j]);
  w += 2 * units;
  activate(cell.recurrent_activation, zi, uint16_t(2 * units));
  activate(cell.activation, zc, units);
  for (uint16_t j = 0; j < units; ++j) {
    const float v = fma32(zf[j], c[j], zi[j] * zc[j]);
    c[j] = v;
    zc[j] = v;
    zo[j] = fma32(flash_float(w + j), v, zo[j]);
  }
  activate(cell.recurrent_activation, zo, units);
  activate(cell.activation, zc, units);
  for (uint16_t j = 0; j < units; ++j) cell.h[j] = zo[j] * zc[j];
}

void peephole_run(const Model& model, uint32_t at) { recurrent_run(model, at, peephole_step); }

bool coupled_check(const Model& model, uint32_t at) {
  if (!record_fits<RecurrentRecord>(model, at, kInt8Weights)) return false;
  const RecurrentRecord r = read_record<RecurrentRecord>(model, at);
  if (!recurrent_sizes_fit(r)) return false;
  const CellNeeds needs = {3u * r.units, r.units, affine_floats(r.op.layout, 3u * r.units, r.inputs, r.units)};
  return recurrent_check(model, r, kRecurrentFlags & ~kResetAfter, needs);
}

static void coupled_step(const Cell& cell, const float* x) {
  const uint16_t units = cell.units;
  float* const c = cell.c;
  float* const zf = cell.z;
  float* const zc = zf + units;
  float* const zo = zc + units;
  affine(cell.layout, cell.weights, x, cell.inputs, cell.h, units, zf, uint16_t(3 * units));
  activate(cell.recurrent_activation, zf, units);
  activate(cell.activation, zc, units);
  activate(cell.recurrent_activation, zo, units);
  for (uint16_t j = 0; j < units; ++j) {
    const float v = fma32(zf[j], c[j], (1.0f - zf[j]) * zc[j]);
    c[j] = v;
    zc[j] = v;
  }
  activate(cell.activation, zc, units);
  for (uint16_t j = 0; j < units; ++j) cell.h[j] = zo[j] * zc[j];
}

void coupled_run(const Model& model, uint32_t at) { recurrent_run(model, at, coupled_step); }

}  // namespace rnn
}  // namespace hil
