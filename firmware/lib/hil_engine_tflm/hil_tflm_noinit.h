/* Marks memory that keeps its content over a reset, where the board has any; elsewhere it starts as zeros. */
#ifndef HIL_TFLM_NOINIT_H
#define HIL_TFLM_NOINIT_H

#if defined(ARDUINO_ARCH_ESP32)
#include <esp_attr.h>
#define HIL_TFLM_NOINIT RTC_NOINIT_ATTR
#elif defined(__arm__) && !defined(ARDUINO)
#define HIL_TFLM_NOINIT __attribute__((section(".noinit")))
#else
#define HIL_TFLM_NOINIT
#endif

#endif
