/* What TFLM prints, kept as text instead of going out among the frames. Knows nothing of TFLM itself and uses no heap (the C library's
 * printf does), so it is also tested on the host. */
#ifndef HIL_TFLM_LOG_H
#define HIL_TFLM_LOG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

namespace hil {
namespace tflm {

/* Like vsnprintf, for d i u x X c s p f with flags 0 and -, width, precision and lengths h l ll z. Returns the length written (never more
 * than capacity - 1); always ends with a zero if capacity is not 0. */
size_t format_text(char* to, size_t capacity, const char* format, va_list args);

/* The first lines that TFLM printed since clear(), joined by "; ". Trivial on purpose: it may lie in memory that survives a reset. */
struct LogText {
  enum { kCapacity = 192 };
  char text[kCapacity];
  uint16_t used;
  bool at_line_end;

  void clear();
  void add(const char* more);
  void vadd(const char* format, va_list args);
};

/* N of the last "missing: N" in the text; 0 if there is none. */
uint32_t missing_bytes(const char* text);

/* True if the text blames the model (an operator or type that is not there) rather than the arena. A failed allocation names the arena,
 * whatever else is said. */
bool blames_model(const char* text);

}  // namespace tflm
}  // namespace hil
#endif
