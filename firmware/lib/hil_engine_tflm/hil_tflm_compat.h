/* TFLM's raw API in its vintages, told apart by the library's own declarations, not by a version number (TFLM has none):
 *
 *   2022  (TensorFlowLite_ESP32 1.0.0)    MicroInterpreter takes an ErrorReporter* as 5th argument, and has no Reset(); DebugLog(text)
 *   2023  (Chirale_TensorFlowLite 2.0.0)  no ErrorReporter; MicroProfilerInterface; DebugLog(text)
 *   2024  and since (tflm_esp32 2.0.0, esp-tflite-micro, tflite-micro)  DebugLog(format, arguments), DebugVsnprintf
 */
#ifndef HIL_TFLM_COMPAT_H
#define HIL_TFLM_COMPAT_H

#include <new>
#include <type_traits>

#include "tensorflow/lite/core/api/error_reporter.h"
#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
#if __has_include("tensorflow/lite/micro/micro_profiler_interface.h")
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#else
#include "tensorflow/lite/micro/micro_profiler.h"
#endif

namespace hil {
namespace tflm {

/* micro_string.h went when DebugLog became a printf. */
#if __has_include("tensorflow/lite/micro/micro_string.h")
#define HIL_TFLM_DEBUG_LOG_TAKES_TEXT 1
static_assert(std::is_same<decltype(&DebugLog), void (*)(const char*)>::value, "this TFLM's DebugLog is of a vintage not known here");
#else
static_assert(std::is_same<decltype(&DebugLog), void (*)(const char*, va_list)>::value,
              "this TFLM's DebugLog is of a vintage not known here");
#endif

#if __has_include("tensorflow/lite/micro/micro_profiler_interface.h")
typedef tflite::MicroProfilerInterface Profiler;
#else
typedef tflite::MicroProfiler Profiler;
#endif

typedef std::is_constructible<tflite::MicroInterpreter, const tflite::Model*, const tflite::MicroOpResolver&, uint8_t*, size_t,
                              tflite::ErrorReporter*>
    TakesErrorReporter;

inline const char* vintage() {
#if defined(HIL_TFLM_VERSION)
  return HIL_TFLM_VERSION;
#elif !defined(HIL_TFLM_DEBUG_LOG_TAKES_TEXT)
  return "2024+";
#else
  return TakesErrorReporter::value ? "2022" : "2023";
#endif
}

template <class Interpreter>
Interpreter* make_interpreter(void* at, const tflite::Model* model, const tflite::MicroOpResolver& resolver, uint8_t* arena, size_t bytes,
                              tflite::ErrorReporter* reporter, Profiler* profiler, std::true_type) {
  return new (at) Interpreter(model, resolver, arena, bytes, reporter, nullptr, profiler);
}

template <class Interpreter>
Interpreter* make_interpreter(void* at, const tflite::Model* model, const tflite::MicroOpResolver& resolver, uint8_t* arena, size_t bytes,
                              tflite::ErrorReporter*, Profiler* profiler, std::false_type) {
  return new (at) Interpreter(model, resolver, arena, bytes, nullptr, profiler);
}

/* Clears recurrent state: Reset(), or what did that before there was one. */
template <class Interpreter>
auto reset(Interpreter* interpreter, int) -> decltype(interpreter->Reset()) {
  return interpreter->Reset();
}

template <class Interpreter>
TfLiteStatus reset(Interpreter* interpreter, long) {
  return interpreter->ResetVariableTensors();
}

}  // namespace tflm
}  // namespace hil
#endif
