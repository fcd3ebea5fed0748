/* Takes TFLM's log away from stderr and the serial line. */
#ifndef HIL_TFLM_DEBUG_LOG_H
#define HIL_TFLM_DEBUG_LOG_H

#include "hil_tflm_compat.h"
#include "hil_tflm_log.h"

namespace hil {
namespace tflm {

/* Where everything TFLM prints goes. It keeps its content over a reset where the board has such memory, and holds garbage after power-on:
 * clear it before use. */
extern LogText g_log;

/* For the vintage that wants one; null in the others. */
tflite::ErrorReporter* error_reporter();

}  // namespace tflm
}  // namespace hil
#endif
