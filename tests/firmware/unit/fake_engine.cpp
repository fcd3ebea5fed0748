#include "fake_engine.h"

#include <string.h>

#include "hil_engine.h"
#include "hil_protocol_ids.h"

#if defined(FAKE_ENGINE_ON_HOST) /* on a real platform time passes by itself */
static void fake_advance_ticks(uint32_t) {}
#else
#include "fake_platform.h"
#endif

FakeEngine g_engine = {100, 0, -1, 2, 0, 0, 0};

namespace {

uint8_t* g_arena;
uint32_t g_arena_bytes;
float g_inputs[3];
int8_t g_small[2];
float g_state;
float g_since_reset;

}  // namespace

namespace hil {

const char* engine_name() { return "fake"; }
const char* engine_version() { return "1.2"; }

EngineStatus engine_init(uint8_t* arena, uint32_t bytes) {
  ++g_engine.inits;
  g_arena = arena;
  g_arena_bytes = bytes;
  g_state = g_since_reset = 0;
  if (bytes < g_engine.needed_bytes) return EngineStatus{HIL_ERR_ARENA_TOO_SMALL, g_engine.needed_bytes - bytes, "state"};
  memset(arena, 0x5A, g_engine.needed_bytes);
  return EngineStatus{0, 0, ""};
}

uint32_t engine_arena_used() { return g_engine.needed_bytes; }

uint8_t engine_input_count() { return 2; }
uint8_t engine_output_count() { return 1; }

TensorInfo engine_input_info(uint8_t index) {
  if (index == 0) return TensorInfo{HIL_DTYPE_FLOAT32, 1, {3}, 0.0f, 0};
  return TensorInfo{HIL_DTYPE_INT8, 2, {1, 2}, 0.5f, -3};
}

TensorInfo engine_output_info(uint8_t) { return TensorInfo{HIL_DTYPE_FLOAT32, 1, {g_engine.output_elements}, 0.0f, 0}; }

void engine_reset_state() {
  fake_advance_ticks(kFakeOtherTicks);
  ++g_engine.resets;
  g_state = g_since_reset = 0;
}

void engine_set_input(uint8_t index, const uint8_t* data) {
  fake_advance_ticks(kFakeOtherTicks);
  if (index == 0) {
    memcpy(g_inputs, data, sizeof g_inputs);
  } else {
    memcpy(g_small, data, sizeof g_small);
  }
}

EngineStatus engine_invoke() {
  fake_advance_ticks(kFakeInvokeTicks);
  if (g_engine.invokes++ == g_engine.fail_at_invoke) return EngineStatus{HIL_ERR_INVOKE_FAILED, 99, "op 3"};
  g_state += g_inputs[0] + g_inputs[1] + g_inputs[2] + g_small[0] + g_small[1];
  g_since_reset += 1;
  for (int i = 0; i < g_engine.overrun_bytes; ++i) g_arena[g_arena_bytes + i] = 0;
  for (int i = 0; i > g_engine.overrun_bytes; --i) g_arena[i - 1] = 0;
  return EngineStatus{0, 0, ""};
}

void engine_get_output(uint8_t, uint8_t* out) {
  fake_advance_ticks(kFakeOtherTicks);
  memset(out, 0, g_engine.output_elements * sizeof(float));
  memcpy(out, &g_state, sizeof g_state);
  memcpy(out + sizeof g_state, &g_since_reset, sizeof g_since_reset);
}

}  // namespace hil
