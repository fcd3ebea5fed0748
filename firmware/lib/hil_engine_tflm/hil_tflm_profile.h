/* Ticks per operator, in a LOG frame after each inference. Built in by -DHIL_TFLM_PROFILE; it adds a few ticks per operator. */
#ifndef HIL_TFLM_PROFILE_H
#define HIL_TFLM_PROFILE_H

#include "hil_tflm_compat.h"

namespace hil {
namespace tflm {

/* Null unless built in. */
Profiler* profiler();

/* Before and after an inference. The second sends what was measured; call it outside what is timed. */
void profile_begin();
void profile_send();

}  // namespace tflm
}  // namespace hil
#endif
