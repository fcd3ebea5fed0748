/* Counts the ticks of one inference per input vector on a board's own platform code, and prints them with the output's bits. */
#include <string.h>

#include "bench_vectors.h"
#include "hil_engine.h"
#include "hil_platform.h"

namespace {

alignas(16) uint8_t arena[BENCH_ARENA_BYTES];

void print(const char* text) { hil_platform_write(reinterpret_cast<const uint8_t*>(text), strlen(text)); }

void print(uint32_t value) {
  char digits[12];
  char* at = digits + sizeof digits;
  *--at = 0;
  do *--at = char('0' + value % 10);
  while ((value /= 10) != 0);
  print(at);
}

}  // namespace

int main() {
  hil_platform_init();
  print("status ");
  print(uint32_t(hil::engine_init(arena, sizeof arena).code));
  print("\n");
  for (uint32_t i = 0; i < BENCH_VECTORS; ++i) {
    hil::engine_reset_state();
    hil::engine_set_input(0, reinterpret_cast<const uint8_t*>(bench_vectors[i]));
    const uint32_t start = hil_platform_ticks();
    hil::engine_invoke();
    const uint32_t ticks = hil_platform_ticks() - start;
    uint32_t bits = 0;
    hil::engine_get_output(0, reinterpret_cast<uint8_t*>(&bits));
    print("ticks ");
    print(ticks);
    print(" bits ");
    print(bits);
    print("\n");
  }
  print("end\n");
  for (;;) {
  }
}
