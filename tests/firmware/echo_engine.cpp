/* The smallest engine there is, for tests of the link: 3 float32 in, 1 float32 out, no model.
 * out = in[0] + in[1] + in[2] + carried; carried = out. The carried value, its recurrent state, lives in the arena.
 * An infinite in[0] makes invoke fail. */
#include <string.h>

#include "hil_engine.h"
#include "hil_protocol_ids.h"

namespace hil {
namespace {
const uint32_t kArenaNeeded = 16;
float g_inputs[3];
float* g_carried; /* null: not ready */
}  // namespace

const char* engine_name() { return "echo"; }
const char* engine_version() { return "1"; }

EngineStatus engine_init(uint8_t* arena, uint32_t bytes) {
  g_carried = nullptr;
  if (bytes < kArenaNeeded) return EngineStatus{HIL_ERR_ARENA_TOO_SMALL, kArenaNeeded - bytes, "echo needs 16 bytes"};
  g_carried = reinterpret_cast<float*>(arena);
  *g_carried = 0;
  return EngineStatus{0, 0, ""};
}

uint32_t engine_arena_used() { return g_carried == nullptr ? 0 : kArenaNeeded; }
uint8_t engine_input_count() { return 1; }
uint8_t engine_output_count() { return 1; }
TensorInfo engine_input_info(uint8_t) { return TensorInfo{HIL_DTYPE_FLOAT32, 1, {3, 0, 0, 0}, 0, 0}; }
TensorInfo engine_output_info(uint8_t) { return TensorInfo{HIL_DTYPE_FLOAT32, 1, {1, 0, 0, 0}, 0, 0}; }
void engine_reset_state() { *g_carried = 0; }
void engine_set_input(uint8_t, const uint8_t* data) { memcpy(g_inputs, data, sizeof g_inputs); }

EngineStatus engine_invoke() {
  if (g_inputs[0] - g_inputs[0] != 0) return EngineStatus{HIL_ERR_INVOKE_FAILED, 0, "input is not finite"};
  *g_carried += g_inputs[0] + g_inputs[1] + g_inputs[2];
  return EngineStatus{0, 0, ""};
}

void engine_get_output(uint8_t, uint8_t* out) { memcpy(out, g_carried, sizeof *g_carried); }

}  // namespace hil
