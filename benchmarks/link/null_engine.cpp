/* An engine that computes nothing, so that only the link costs time: NULL_IN bytes of NULL_DTYPE in, NULL_OUT float32 out.
 * The output holds the sum of the input's bytes, so that a wrong or misplaced vector shows. NULL_COMPUTE_US makes it busy for that long. */
#include <string.h>
#include <time.h>

#include "hil_engine.h"
#include "hil_protocol_ids.h"

#ifndef NULL_IN
#define NULL_IN 12
#endif
#ifndef NULL_OUT
#define NULL_OUT 1
#endif
#ifndef NULL_COMPUTE_US
#define NULL_COMPUTE_US 0
#endif

namespace hil {
namespace {

uint8_t g_input[NULL_IN];
float g_output[NULL_OUT];
bool g_ready;

int64_t now_ns() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

}  // namespace

const char* engine_name() { return "null"; }
const char* engine_version() { return "1"; }

EngineStatus engine_init(uint8_t*, uint32_t) {
  g_ready = true;
  return EngineStatus{0, 0, ""};
}

uint32_t engine_arena_used() { return 0; }
uint8_t engine_input_count() { return 1; }
uint8_t engine_output_count() { return 1; }
TensorInfo engine_input_info(uint8_t) { return TensorInfo{HIL_DTYPE_UINT8, 1, {NULL_IN, 0, 0, 0}, 0, 0}; }
TensorInfo engine_output_info(uint8_t) { return TensorInfo{HIL_DTYPE_FLOAT32, 1, {NULL_OUT, 0, 0, 0}, 0, 0}; }
void engine_reset_state() {}
void engine_set_input(uint8_t, const uint8_t* data) { memcpy(g_input, data, sizeof g_input); }

EngineStatus engine_invoke() {
  const int64_t end = now_ns() + NULL_COMPUTE_US * INT64_C(1000);
  uint32_t sum = 0;
  for (uint8_t byte : g_input) sum += byte;
  for (float& output : g_output) output = static_cast<float>(sum);
  while (NULL_COMPUTE_US != 0 && now_ns() < end) {
  }
  return EngineStatus{0, 0, ""};
}

void engine_get_output(uint8_t, uint8_t* out) { memcpy(out, g_output, sizeof g_output); }

}  // namespace hil
