/* An engine whose results can be worked out in the head, and which misbehaves on demand. The session is what is tested here, not the
 * engine.
 *
 * Inputs: float32[3], int8[2] (14 bytes per vector). Output: float32[2] = {state, invokes since the reset}; each invoke adds
 * all input elements to the state. It needs 100 bytes of arena and fills them. */
#ifndef FAKE_ENGINE_H
#define FAKE_ENGINE_H

#include <stdint.h>

struct FakeEngine {
  uint32_t needed_bytes;    /* of arena */
  int overrun_bytes;        /* written beyond the arena by every invoke; negative: before it */
  int fail_at_invoke;       /* counted since restart_device; -1: never */
  uint16_t output_elements; /* 2 as a rule; more make the outputs longer */
  int inits;
  int invokes;
  int resets;
};

extern FakeEngine g_engine;

enum { kFakeInputBytes = 14, kFakeInvokeTicks = 7, kFakeOtherTicks = 1000 };

#endif
