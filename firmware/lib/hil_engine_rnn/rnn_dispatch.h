/* From an op's kind to its functions. Included by one file. */
#ifndef HIL_RNN_DISPATCH_H
#define HIL_RNN_DISPATCH_H

#include "rnn_ops.h"
#include "rnn_uses.h"

namespace hil {
namespace rnn {

/* Kinds the model doesn't use are constant false here, so nothing refers to their code and the linker drops it. */
#define HIL_RNN_FOR_EACH_OP(X) \
  X(kOpLstm, lstm)             \
  X(kOpDense, dense)           \
  X(kOpActivation, activation) \
  X(kOpGru, gru)               \
  X(kOpSimpleRnn, simple_rnn)  \
  X(kOpPeephole, peephole)     \
  X(kOpCoupled, coupled)       \
  X(kOpMask, mask)             \
  X(kOpScale, scale)           \
  X(kOpMerge, merge) X(kOpLstmInt8, lstm_int8) X(kOpDenseInt8, dense_int8) X(kOpQuantise, quantise) X(kOpLengthMask, length_mask)

inline bool op_check(uint8_t kind, const Model& model, uint32_t at) {
  switch (kind) {
#define HIL_RNN_CASE(number, name) \
  case number:                     \
    return HIL_RNN_USES_OP(number) ? name##_check(model, at) : false;
    HIL_RNN_FOR_EACH_OP(HIL_RNN_CASE)
#undef HIL_RNN_CASE
    default:
      return false;
  }
}

inline void op_run(uint8_t kind, const Model& model, uint32_t at) {
  switch (kind) {
#define HIL_RNN_CASE(number, name)                      \
  case number:                                          \
    if (HIL_RNN_USES_OP(number)) name##_run(model, at); \
    break;
    HIL_RNN_FOR_EACH_OP(HIL_RNN_CASE)
#undef HIL_RNN_CASE
    default:
      break; /* op_check let no other through */
  }
}

}  // namespace rnn
}  // namespace hil
#endif
