/* What start-up and platform of the ESP32-C3 share. */
#ifndef HIL_ESP32C3_H
#define HIL_ESP32C3_H

#include "bare_metal.h"

namespace hil {

enum : uint32_t { kUartLine = 1, kTimerLine = 2 }; /* CPU interrupt lines, which are entries of the vector table too */

}  // namespace hil

extern "C" {
void hil_uart_interrupt(void);
}
#endif
