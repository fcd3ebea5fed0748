#include "hil_arena.h"

#include "hil_build_config.h"

namespace hil {
namespace {

/* AVR reads any type at any address; elsewhere 16 serves vector types too. */
#if defined(__AVR__)
enum { kGuardBytes = 8, kAlign = 1 };
#else
enum { kGuardBytes = 16, kAlign = 16 };
#endif

static_assert(ARENA_SIZE <= HIL_ARENA_CAPACITY, "ARENA_SIZE is larger than the arena of this board");

const uint32_t kBlockBytes = kGuardBytes + static_cast<uint32_t>(HIL_ARENA_CAPACITY) + kGuardBytes;

static_assert(kBlockBytes <= SIZE_MAX / 2, "HIL_ARENA_CAPACITY is beyond what this processor can address");

uint8_t g_block[kBlockBytes] __attribute__((aligned(kAlign)));
uint32_t g_bytes;

/* Differs from byte to byte, so that neither zeros nor a repeated value can pass for it. */
uint8_t pattern(uint32_t index) { return static_cast<uint8_t>(0xA5u + 0x1Du * static_cast<uint8_t>(index)); }

bool has_pattern(uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to; ++i) {
    if (g_block[i] != pattern(i)) return false;
  }
  return true;
}

}  // namespace

uint8_t* arena_prepare(uint32_t bytes) {
  for (uint32_t i = 0; i < kBlockBytes; ++i) g_block[i] = pattern(i);
  g_bytes = bytes;
  return arena_start();
}

uint8_t* arena_start() { return g_block + kGuardBytes; }

uint32_t arena_bytes() { return g_bytes; }

bool arena_guard_intact() { return has_pattern(0, kGuardBytes) && has_pattern(kGuardBytes + g_bytes, kBlockBytes); }

}  // namespace hil
