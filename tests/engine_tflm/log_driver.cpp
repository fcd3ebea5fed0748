/* Prints what hil_tflm_log makes of its arguments, for test_log.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hil_tflm_log.h"

static void print(size_t capacity, const char* format, ...) {
  char* text = static_cast<char*>(malloc(capacity)); /* on the heap, where the sanitizer sees a byte too many */
  va_list args;
  va_start(args, format);
  const size_t n = hil::tflm::format_text(text, capacity, format, args);
  va_end(args);
  printf("%zu|%s\n", n, text);
  free(text);
}

static void formats() {
  print(100, "Requested: %u, available %u, missing: %u", 1176u, 900u, 276u);
  print(100, "%d %i %ld %lld %zu", -5, 0, -2147483647L - 1, -9223372036854775807LL - 1, static_cast<size_t>(7));
  print(100, "%x %X %08X %02x %4d|%-4d|", 0xbeefu, 0xbeefu, 0xABCu, 5u, 42, 42);
  print(100, "%s '%.3s' %c %% %s", "op", "abcdef", 'z', static_cast<const char*>(nullptr));
  print(100, "%f %.2f %f %f", 1.5, -0.125, 1e30, 0.9999999);
  print(8, "%s", "cut to what fits");
  print(1, "%d", 5);
  print(100, "stops at what it does not know: %n %d", 1);
}

int main(int count, char** words) {
  if (count == 2 && strcmp(words[1], "formats") == 0) {
    formats();
    return 0;
  }
  hil::tflm::LogText log;
  memset(&log, 0xA5, sizeof log); /* as in memory that no start-up clears */
  log.clear();
  for (int i = 1; i < count; ++i) log.add(words[i]);
  printf("%s|%u|%d\n", log.text, hil::tflm::missing_bytes(log.text), hil::tflm::blames_model(log.text) ? 1 : 0);
  return 0;
}
