/* What all recurrent layers share: the record's check, and the walk over the steps with its directions, masks and outputs. */
#ifndef HIL_RNN_RECURRENT_H
#define HIL_RNN_RECURRENT_H

#include "rnn_ops.h"

namespace hil {
namespace rnn {

/* A layer while it runs: the record with its offsets turned into pointers. */
struct Cell {
  const float* weights;
  float* h;
  float* c;
  float* z;
  uint16_t inputs;
  uint16_t units;
  uint16_t flags;
  uint8_t layout;
  uint8_t activation;
  uint8_t recurrent_activation;
};

/* One step: h and c become those after input x[inputs). */
typedef void (*Step)(const Cell& cell, const float* x);

/* What a kind of cell takes, in floats; 0 cell_floats: it has no c. */
struct CellNeeds {
  uint32_t z_floats;
  uint32_t cell_floats;
  uint32_t weight_floats;
};

/* Sizes within the format's limits, so that products of them can't overflow. */
bool recurrent_sizes_fit(const RecurrentRecord& r);

/* True if the record asks for nothing but `flags` and every array it names lies where it may, apart from the others. */
bool recurrent_check(const Model& model, const RecurrentRecord& r, uint16_t flags, const CellNeeds& needs);

void recurrent_run(const Model& model, uint32_t at, Step step);

}  // namespace rnn
}  // namespace hil
#endif
