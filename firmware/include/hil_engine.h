/* What computes on the board. An engine is one library that implements these functions; the build links exactly one
 * (lib/hil_engine_<name>). The session calls them from one context. No heap, no exceptions, no RTTI, C++11 as gcc-avr 5.4 takes it.
 */
#ifndef HIL_ENGINE_H
#define HIL_ENGINE_H

#include <stddef.h>
#include <stdint.h>

namespace hil {

enum { kMaxTensorDims = 4 };

struct TensorInfo {
  uint8_t dtype; /* HIL_DTYPE_* */
  uint8_t ndim;  /* without the batch dimension */
  uint16_t dims[kMaxTensorDims];
  float scale; /* 0 where not quantised */
  int32_t zero_point;
};

/* code: 0 ready, else HIL_ERR_*; detail as docs/protocol.md says for that code; text never null, may be empty. */
struct EngineStatus {
  uint8_t code;
  uint32_t detail;
  const char* text;
};

const char* engine_name(); /* "rnn", "tflm" */
const char* engine_version();

/* Makes the engine ready in arena[0, bytes). MUST NOT touch a byte outside, MUST be callable again with another size at any time and then
 * leave nothing of the earlier one behind. Too small: ARENA_TOO_SMALL with the bytes missing (0 if it can't tell). `arena` is 16-byte
 * aligned (as far as the platform's largest type asks). */
EngineStatus engine_init(uint8_t* arena, uint32_t bytes);

/* Bytes of the arena in use after a successful init, as the engine itself reports them. */
uint32_t engine_arena_used();

/* Valid before init too (the model is in flash). The sha256 is that of the model the host packed. */
uint8_t engine_input_count();
uint8_t engine_output_count();
TensorInfo engine_input_info(uint8_t index);
TensorInfo engine_output_info(uint8_t index);

/* Clears recurrent state to zeros. */
void engine_reset_state();

/* Copies one whole input tensor (its byte size is that of its TensorInfo) into the engine. `data` may be unaligned. */
void engine_set_input(uint8_t index, const uint8_t* data);

/* Runs one inference from the inputs set. code 0, or INVOKE_FAILED / ENGINE_NOT_READY. */
EngineStatus engine_invoke();

/* Optional, for a look at single layers: how many operations one inference has; runs operations [first, end) of it on what the earlier
 * ones left, where end is at most that count. Their results lie in the arena. An engine without them has 0 operations. */
uint16_t engine_op_count();
void engine_run_ops(uint16_t first, uint16_t end);

/* Copies one whole output tensor of the last invoke to `out`, which may be unaligned. */
void engine_get_output(uint8_t index, uint8_t* out);

}  // namespace hil
#endif
