/* Runs the models of cases.h on a Cortex-M4F and prints each output's bits; then checksums of the activations as math_sweep prints them. */
#include <string.h>

#include "cases.h"
#include "hil_engine.h"
#include "hil_platform.h"
#include "rnn_math.h"

const uint8_t* hil_rnn_model = nullptr;
uint32_t hil_rnn_model_bytes = 0;

namespace {

alignas(16) uint8_t arena[16384];
float values[1024];

void print(const char* text) { hil_platform_write(reinterpret_cast<const uint8_t*>(text), strlen(text)); }

void print_hex(uint32_t value) {
  char digits[10];
  for (int i = 0; i < 8; ++i) digits[i] = "0123456789abcdef"[(value >> (28 - 4 * i)) & 15];
  digits[8] = '\n';
  digits[9] = 0;
  print(digits);
}

void print_checksum(float (*function)(float)) {
  uint32_t sum = 0;
  for (uint64_t bits = 0; bits < (1ull << 32); bits += SWEEP_STRIDE) {
    const uint32_t low = uint32_t(bits);
    float x;
    memcpy(&x, &low, sizeof x);
    if (x != x) continue;
    const float y = function(x);
    uint32_t y_bits;
    memcpy(&y_bits, &y, sizeof y_bits);
    sum = sum * 31 + y_bits;
  }
  print_hex(sum);
}

}  // namespace

int main() {
  hil_platform_init();
  for (const Case& c : cases) {
    hil_rnn_model = c.model;
    hil_rnn_model_bytes = c.model_bytes;
    print_hex(hil::engine_init(arena, c.arena_bytes).code);
    hil::engine_set_input(0, c.input);
    hil::engine_invoke();
    hil::engine_get_output(0, reinterpret_cast<uint8_t*>(values));
    for (uint32_t i = 0; i < c.outputs; ++i) {
      uint32_t bits;
      memcpy(&bits, &values[i], sizeof bits);
      print_hex(bits);
    }
  }
  print_checksum(hil::rnn::sigmoid);
  print_checksum(hil::rnn::tanh);
  print_checksum(hil::rnn::exp);
  print("end\n");
  for (;;) {
  }
}
