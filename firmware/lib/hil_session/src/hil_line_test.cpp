#include "hil_line_test.h"

#include "hil_platform.h"

namespace hil {

uint8_t line_test_pattern(uint16_t index) { return static_cast<uint8_t>((index * 197u + 85u) ^ (index >> 3)); }

void LineTest::begin(uint16_t bytes) {
  expected_ = bytes;
  received_ = 0;
  bit_errors_ = 0;
}

bool LineTest::feed(uint8_t byte) {
  for (uint8_t wrong = byte ^ line_test_pattern(received_); wrong != 0; wrong = static_cast<uint8_t>(wrong >> 1)) bit_errors_ += wrong & 1u;
  ++received_;
  return !running();
}

void Stopwatch::restart() {
  at_ = hil_platform_ticks();
  ms_ = 0;
}

uint32_t Stopwatch::elapsed_ms() {
  const uint32_t ticks_per_ms = hil_platform_tick_hz() / 1000;
  const uint32_t whole_ms = (hil_platform_ticks() - at_) / ticks_per_ms;
  at_ += whole_ms * ticks_per_ms;
  ms_ += whole_ms;
  return ms_;
}

}  // namespace hil
