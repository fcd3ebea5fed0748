#include "rnn_ops.h"

namespace hil {
namespace rnn {

bool op_check(uint8_t kind, const Model& model, uint32_t at) {
  switch (kind) {
    case kOpLstm:
      return lstm_check(model, at);
    case kOpDense:
      return dense_check(model, at);
    case kOpActivation:
      return activation_check(model, at);
    default:
      return false;
  }
}

void op_run(uint8_t kind, const Model& model, uint32_t at) {
  switch (kind) {
    case kOpLstm:
      lstm_run(model, at);
      break;
    case kOpDense:
      dense_run(model, at);
      break;
    case kOpActivation:
      activation_run(model, at);
      break;
    default:
      break; /* op_check let no other through */
  }
}

}  // namespace rnn
}  // namespace hil
