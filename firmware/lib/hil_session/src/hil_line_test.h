/* LINK_TEST: a pattern both ends know, sent raw, so that each wrong bit can be counted. And a watch for how long a line is silent. */
#ifndef HIL_LINE_TEST_H
#define HIL_LINE_TEST_H

#include <stdint.h>

namespace hil {

/* Byte `index` of the pattern: all values, and long and short runs of equal bits. */
uint8_t line_test_pattern(uint16_t index);

/* Compares what comes with the pattern. Plain data, zero when not in use. */
class LineTest {
 public:
  /* Expects `bytes` bytes; 0: nothing, and it does not run. */
  void begin(uint16_t bytes);
  /* True when `byte` was the last one expected. */
  bool feed(uint8_t byte);
  /* Waits for no more. */
  void stop() { expected_ = received_; }

  bool running() const { return received_ != expected_; }
  uint16_t received() const { return received_; }
  uint32_t bit_errors() const { return bit_errors_; }

 private:
  uint16_t expected_;
  uint16_t received_;
  uint32_t bit_errors_;
};

/* Milliseconds since `restart`, for a counter of ticks that may wrap within seconds: ask at least once a second. */
class Stopwatch {
 public:
  void restart();
  uint32_t elapsed_ms();

 private:
  uint32_t at_; /* tick up to which time is counted */
  uint32_t ms_;
};

}  // namespace hil
#endif
