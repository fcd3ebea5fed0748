/* What every kind of op gives the engine: a check, made once at init, and a run. A new kind of layer is one more file like
 * rnn_op_dense.cpp, its record in rnn_format.h, and a line in rnn_dispatch.h.
 */
#ifndef HIL_RNN_OPS_H
#define HIL_RNN_OPS_H

#include <stdint.h>

#include "rnn_flash.h"
#include "rnn_format.h"
#include "rnn_uses.h"

namespace hil {
namespace rnn {

/* A checked blob's extent, and its arena (null while checking). */
struct Model {
  const uint8_t* blob;
  uint32_t blob_bytes;
  uint8_t* arena;
  uint32_t arena_bytes;
  uint32_t state_bytes;
  uint32_t op_count;
  uint32_t ops; /* blob offset of the first op record */

  float* floats(uint32_t arena_offset) const { return reinterpret_cast<float*>(arena + arena_offset); }
  const float* weights(uint32_t blob_offset) const { return reinterpret_cast<const float*>(blob + blob_offset); }

  /* `count` floats at an arena (or blob) offset lie wholly inside, aligned. `count` is below 2^30. */
  bool arena_holds(uint32_t offset, uint32_t count) const { return holds(arena_bytes, offset, count); }
  bool blob_holds(uint32_t offset, uint32_t count) const { return holds(blob_bytes, offset, count); }

 private:
  static bool holds(uint32_t size, uint32_t offset, uint32_t count) {
    return (offset & 3u) == 0 && offset <= size && count * 4u <= size - offset;
  }
};

/* Of an activation's number: this build computes it; it computes each number by itself, as gates need it. */
inline bool is_activation(uint8_t kind) { return kind < (HIL_RNN_USES_RARE_ACTIVATIONS ? kActivationCount : kFirstRare); }
inline bool is_elementwise(uint8_t kind) { return kind != kSoftmax && is_activation(kind); }

inline bool disjoint(uint32_t a, uint32_t a_floats, uint32_t b, uint32_t b_floats) {
  return a + a_floats * 4u <= b || b + b_floats * 4u <= a;
}

/* Takes a record out of the blob. The blob must hold it. */
template <typename Record>
inline Record read_record(const Model& model, uint32_t at) {
  Record record;
  flash_copy(&record, model.blob + at, sizeof record);
  return record;
}

/* For checks: true if the record's size is that of this version and its layout kFloat32, or `other` and in use. The blob must hold
 * op.bytes, as the engine made sure. */
template <typename Record>
inline bool record_fits(const Model& model, uint32_t at, uint8_t other = kFloat32) {
  const OpHeader op = read_record<OpHeader>(model, at);
  return op.bytes == sizeof(Record) && (op.layout == kFloat32 || (op.layout == other && HIL_RNN_USES_LAYOUT(other)));
}

/* `at` is the blob offset of the op's record, which lies inside the blob. check MUST accept only what run can do without touching a
 * byte outside arena and blob, whatever the record says. */
bool lstm_check(const Model& model, uint32_t at);
void lstm_run(const Model& model, uint32_t at);
bool dense_check(const Model& model, uint32_t at);
void dense_run(const Model& model, uint32_t at);
bool activation_check(const Model& model, uint32_t at);
void activation_run(const Model& model, uint32_t at);
bool gru_check(const Model& model, uint32_t at);
void gru_run(const Model& model, uint32_t at);
bool simple_rnn_check(const Model& model, uint32_t at);
void simple_rnn_run(const Model& model, uint32_t at);
bool peephole_check(const Model& model, uint32_t at);
void peephole_run(const Model& model, uint32_t at);
bool coupled_check(const Model& model, uint32_t at);
void coupled_run(const Model& model, uint32_t at);
bool mask_check(const Model& model, uint32_t at);
void mask_run(const Model& model, uint32_t at);
bool length_mask_check(const Model& model, uint32_t at);
void length_mask_run(const Model& model, uint32_t at);
bool scale_check(const Model& model, uint32_t at);
void scale_run(const Model& model, uint32_t at);
bool merge_check(const Model& model, uint32_t at);
void merge_run(const Model& model, uint32_t at);
bool lstm_int8_check(const Model& model, uint32_t at);
void lstm_int8_run(const Model& model, uint32_t at);
bool dense_int8_check(const Model& model, uint32_t at);
void dense_int8_run(const Model& model, uint32_t at);
bool quantise_check(const Model& model, uint32_t at);
void quantise_run(const Model& model, uint32_t at);

}  // namespace rnn
}  // namespace hil
#endif
