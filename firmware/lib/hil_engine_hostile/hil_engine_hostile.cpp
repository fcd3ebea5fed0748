/* An engine that does wrong on demand (hostile_options.h), so that tests can show that the harness notices. Never a default. */
#include <string.h>

#include "hil_engine.h"
#include "hil_protocol_ids.h"
#include "hil_session.h"
#include "hostile_options.h"

#if defined(__unix__)
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#elif defined(__AVR__)
#include <avr/interrupt.h>
#include <avr/sleep.h>
#endif

namespace hil {
namespace {

const uint32_t kLeakPoolBytes = 4096;
const uint32_t kLoopMagic = 0xB007100Bu;
const float kWeights[3] = {1.0f, 2.0f, 3.0f};

uint8_t* g_arena; /* null: not ready */
uint32_t g_bytes;
uint32_t g_used; /* of the arena: the need, or all there is on an island */
uint32_t g_leaked;
bool g_trampled;
float g_inputs[3];
float g_output;
volatile bool g_for_ever = true;

#if defined(__unix__)

/* Survives a reset of the process, which hands its environment on, but not a new process. Only there if the test set it. */
bool is_looping() {
  const char* mark = getenv("HIL_HOSTILE_MARK");
  return mark != nullptr && mark[0] == '1';
}
void keep_looping() {
  char* mark = getenv("HIL_HOSTILE_MARK");
  if (mark != nullptr) mark[0] = '1';
}
void stop_for_good() { kill(getpid(), SIGKILL); }

#else

uint32_t g_mark __attribute__((section(".noinit")));
bool is_looping() { return g_mark == kLoopMagic; }
void keep_looping() { g_mark = kLoopMagic; }

void stop_for_good() {
#if defined(__AVR__)
  cli();
  sleep_enable();
  sleep_cpu();
#elif defined(__arm__)
  __asm volatile("cpsid f\n udf #0"); /* a fault that no handler may take: lockup */
#endif
}

#endif

void crash() {
  session_log(HIL_LOG_ERROR, "hostile: about to crash");
#if HIL_HOSTILE_CRASH_KIND == 2
  stop_for_good();
#elif HIL_HOSTILE_CRASH_KIND == 1
  __builtin_trap();
#else
  void (*volatile nowhere)() = nullptr;
  nowhere();
#endif
}

void hang() {
  session_log(HIL_LOG_ERROR, "hostile: about to hang");
  while (g_for_ever) {
  }
}

bool below(uint32_t n) { return g_bytes < n; }

bool within(uint32_t from, uint32_t to) { return g_bytes >= from && g_bytes < to; }

/* What byte i of the arena holds while nobody else writes there. */
uint8_t mine(uint32_t i) { return static_cast<uint8_t>(0x3Bu + 0x65u * i); }

float state() {
  float h;
  memcpy(&h, g_arena, sizeof h);
  return h;
}

void set_state(float h) { memcpy(g_arena, &h, sizeof h); }

/* Once for each start: a second time would undo it. */
void trample() {
  if (g_trampled) return;
  g_trampled = true;
  for (uint32_t i = 0; i < static_cast<uint32_t>(HIL_HOSTILE_OVERRUN_BYTES); ++i) g_arena[g_bytes + i] ^= 0xFFu;
  for (uint32_t i = 1; i <= static_cast<uint32_t>(HIL_HOSTILE_UNDERRUN_BYTES); ++i) *(g_arena - i) ^= 0xFFu;
}

EngineStatus status(uint8_t code, uint32_t detail, const char* text) {
  EngineStatus s;
  s.code = code;
  s.detail = detail;
  s.text = text;
  return s;
}

TensorInfo floats(uint16_t count) {
  TensorInfo info;
  memset(&info, 0, sizeof info);
  info.dtype = HIL_DTYPE_FLOAT32;
  info.ndim = 1;
  info.dims[0] = count;
  return info;
}

}  // namespace

const char* engine_name() { return "hostile"; }
const char* engine_version() { return "1.0.0"; }

EngineStatus engine_init(uint8_t* arena, uint32_t bytes) {
  g_arena = nullptr;
  g_bytes = bytes;
  g_trampled = false;
  g_used = bytes < HIL_HOSTILE_NEED ? bytes : static_cast<uint32_t>(HIL_HOSTILE_NEED);
  if (is_looping()) crash();
  if (below(HIL_HOSTILE_BOOT_LOOP_BELOW)) {
    keep_looping();
    crash();
  }
  if (below(HIL_HOSTILE_CRASH_BELOW)) crash();
  if (below(HIL_HOSTILE_HANG_BELOW)) hang();
  g_leaked += HIL_HOSTILE_LEAK_BYTES;
  if (g_leaked > kLeakPoolBytes) return status(HIL_ERR_ENGINE_NOT_READY, 0, "out of memory");
  if (within(HIL_HOSTILE_FAIL_FROM, HIL_HOSTILE_FAIL_TO)) return status(HIL_ERR_ARENA_TOO_SMALL, 0, "an island");
  if (g_used < sizeof(float)) return status(HIL_ERR_ARENA_TOO_SMALL, sizeof(float) - g_used, "no room for the state");
  if (below(HIL_HOSTILE_NEED) && !within(HIL_HOSTILE_PASS_FROM, HIL_HOSTILE_PASS_TO)) {
    return status(HIL_ERR_ARENA_TOO_SMALL, HIL_HOSTILE_NO_HINT ? 0 : HIL_HOSTILE_NEED - bytes, "arena too small");
  }
  for (uint32_t i = 0; i < g_used; ++i) arena[i] = mine(i);
  g_arena = arena;
  set_state(0.0f);
  return status(0, 0, "");
}

uint32_t engine_arena_used() { return g_arena != nullptr ? static_cast<uint32_t>(HIL_HOSTILE_REPORTED) : 0; }

uint8_t engine_input_count() { return 1; }
uint8_t engine_output_count() { return 1; }
TensorInfo engine_input_info(uint8_t) { return floats(3); }
TensorInfo engine_output_info(uint8_t) { return floats(1); }

void engine_reset_state() {
  if (g_arena != nullptr && !below(HIL_HOSTILE_STATE_LEAK_BELOW)) set_state(0.0f);
}

void engine_set_input(uint8_t, const uint8_t* data) { memcpy(g_inputs, data, sizeof g_inputs); }

EngineStatus engine_invoke() {
  if (g_arena == nullptr) return status(HIL_ERR_ENGINE_NOT_READY, 0, "not started");
  if (below(HIL_HOSTILE_INVOKE_CRASH_BELOW)) crash();
  if (below(HIL_HOSTILE_INVOKE_HANG_BELOW)) hang();
  if (below(HIL_HOSTILE_INVOKE_FAIL_BELOW)) return status(HIL_ERR_INVOKE_FAILED, 0, "an operator failed");
  float sum = state();
  for (uint8_t i = 0; i < 3; ++i) sum += kWeights[i] * g_inputs[i];
  for (uint32_t i = sizeof(float); i < g_used; ++i) {
    if (g_arena[i] != mine(i)) sum += 1.0f; /* somebody else wrote there */
  }
  set_state(state() + 1.0f);
  g_output = sum;
  if (below(HIL_HOSTILE_OVERRUN_BELOW)) trample();
  return status(0, 0, "");
}

void engine_get_output(uint8_t, uint8_t* out) {
  memcpy(out, &g_output, sizeof g_output);
  if (below(HIL_HOSTILE_WRONG_BELOW)) out[0] ^= 1u;
}

}  // namespace hil
