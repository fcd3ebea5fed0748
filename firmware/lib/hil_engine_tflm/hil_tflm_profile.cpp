#include "hil_tflm_profile.h"

#if defined(HIL_TFLM_PROFILE)

#include <string.h>

#include "hil_platform.h"
#include "hil_protocol_ids.h"
#include "hil_session.h"
#include "hil_tflm_log.h"

namespace hil {
namespace tflm {
namespace {

/* More operators than that run unmeasured; the text of a LOG frame holds about as many. */
enum { kMaxEvents = 16, kTextBytes = 200 };

class TickProfiler : public Profiler {
 public:
  uint32_t BeginEvent(const char* tag) override {
    if (count == kMaxEvents) return kMaxEvents;
    tags[count] = tag;
    ticks[count] = hil_platform_ticks();
    return count++;
  }
  void EndEvent(uint32_t event) override {
    if (event < kMaxEvents) ticks[event] = hil_platform_ticks() - ticks[event];
  }
  static void operator delete(void*) {}

  const char* tags[kMaxEvents];
  uint32_t ticks[kMaxEvents];
  uint32_t count;
};

TickProfiler* instance() {
  static TickProfiler one;
  return &one;
}

size_t print(char* to, size_t capacity, const char* format, ...) {
  va_list args;
  va_start(args, format);
  const size_t n = format_text(to, capacity, format, args);
  va_end(args);
  return n;
}

}  // namespace

Profiler* profiler() { return instance(); }

void profile_begin() { instance()->count = 0; }

void profile_send() {
  char text[kTextBytes];
  size_t used = print(text, sizeof text, "ticks:");
  for (uint32_t i = 0; i < instance()->count; ++i) {
    used += print(text + used, sizeof text - used, " %s %lu", instance()->tags[i], static_cast<unsigned long>(instance()->ticks[i]));
  }
  session_log(HIL_LOG_DEBUG, text);
}

}  // namespace tflm
}  // namespace hil

#else

namespace hil {
namespace tflm {

Profiler* profiler() { return nullptr; }
void profile_begin() {}
void profile_send() {}

}  // namespace tflm
}  // namespace hil

#endif
