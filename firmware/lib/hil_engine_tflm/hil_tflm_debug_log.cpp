/* TFLM's own DebugLog is an archive member of its own, which the linker takes only for want of another. This one is found first: the
 * engine refers to g_log, which lies here, before anything refers to TFLM. */
#include "hil_tflm_debug_log.h"

#include "hil_tflm_noinit.h"

namespace hil {
namespace tflm {

HIL_TFLM_NOINIT LogText g_log;

namespace {

class Reporter : public tflite::ErrorReporter {
 public:
  int Report(const char* format, va_list args) override {
    g_log.vadd(format, args);
    g_log.add("\n");
    return 0;
  }
  /* The destructor's deleting form, which nobody calls, would otherwise bring in the heap. */
  static void operator delete(void*) {}
};

}  // namespace

tflite::ErrorReporter* error_reporter() {
  static Reporter reporter;
  return &reporter;
}

}  // namespace tflm
}  // namespace hil

#if defined(HIL_TFLM_DEBUG_LOG_TAKES_TEXT)

extern "C" void DebugLog(const char* text) { hil::tflm::g_log.add(text); }

#else

extern "C" void DebugLog(const char* format, va_list args) { hil::tflm::g_log.vadd(format, args); }

extern "C" int DebugVsnprintf(char* to, size_t capacity, const char* format, va_list args) {
  return static_cast<int>(hil::tflm::format_text(to, capacity, format, args));
}

#endif
