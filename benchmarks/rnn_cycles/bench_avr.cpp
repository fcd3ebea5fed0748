/* As bench_main.cpp for an AVR in simavr: marks start and end in GPIOR0, where avr_cycles.c reads the simulator's cycle counter,
 * and hands the output's bytes over in GPIOR1.
 */
#include <avr/io.h>

#include "bench_vectors.h"
#include "hil_engine.h"

namespace {

alignas(16) uint8_t arena[BENCH_ARENA_BYTES];

}  // namespace

int main() {
  if (hil::engine_init(arena, sizeof arena).code != 0) {
    GPIOR0 = 0xEE;
    for (;;) {
    }
  }
  for (uint8_t i = 0; i < BENCH_VECTORS; ++i) {
    hil::engine_reset_state();
    hil::engine_set_input(0, reinterpret_cast<const uint8_t*>(bench_vectors[i]));
    GPIOR0 = 1;
    hil::engine_invoke();
    GPIOR0 = 2;
    uint8_t bytes[4];
    hil::engine_get_output(0, bytes);
    for (uint8_t k = 0; k < 4; ++k) {
      GPIOR1 = bytes[k];
      GPIOR0 = uint8_t(3 + k);
    }
  }
  GPIOR0 = 0xFF;
  for (;;) {
  }
}
