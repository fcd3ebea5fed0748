/* An engine that computes nothing, so that only the link costs time: NULL_IN bytes of NULL_DTYPE in, NULL_OUT float32 out.
 * The output holds the sum of the input's bytes, so that a wrong or misplaced vector shows. NULL_COMPUTE_US makes it take that long,
 * asleep: a chip's computing takes no time from the host's processor. */
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

void compute() {
  struct timespec end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  const int64_t ns = end.tv_nsec + NULL_COMPUTE_US * INT64_C(1000);
  end.tv_sec += ns / 1000000000;
  end.tv_nsec = ns % 1000000000;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr) != 0) {
  }
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
  uint32_t sum = 0;
  for (uint8_t byte : g_input) sum += byte;
  for (float& output : g_output) output = static_cast<float>(sum);
  if (NULL_COMPUTE_US != 0) compute();
  return EngineStatus{0, 0, ""};
}

void engine_get_output(uint8_t, uint8_t* out) { memcpy(out, g_output, sizeof g_output); }

}  // namespace hil
