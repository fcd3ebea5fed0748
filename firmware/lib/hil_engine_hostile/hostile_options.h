/* What the hostile engine does wrong: macros, all off by default, from -DNAME=VALUE or a generated hil_hostile_config.h (which spares a
 * build that changes them the compilation of everything else). Sizes in bytes.
 *
 * "below n": while the arena is smaller than n. Honest, the engine computes y = x0 + 2 x1 + 3 x2 + h, where h counts the inferences
 * since the last reset of its state, and uses every byte of HIL_HOSTILE_NEED.
 */
#ifndef HIL_HOSTILE_OPTIONS_H
#define HIL_HOSTILE_OPTIONS_H

#if defined(__has_include)
#if __has_include("hil_hostile_config.h")
#include "hil_hostile_config.h"
#endif
#endif

#ifndef HIL_HOSTILE_NEED /* arena that it needs */
#define HIL_HOSTILE_NEED 1024
#endif
#ifndef HIL_HOSTILE_REPORTED /* what it says that it uses */
#define HIL_HOSTILE_REPORTED HIL_HOSTILE_NEED
#endif
#ifndef HIL_HOSTILE_NO_HINT /* 1: doesn't say how many bytes are missing */
#define HIL_HOSTILE_NO_HINT 0
#endif

/* --- starting ---------------------------------------------------------------------------------------------------------------------- */
#ifndef HIL_HOSTILE_CRASH_BELOW
#define HIL_HOSTILE_CRASH_BELOW 0
#endif
#ifndef HIL_HOSTILE_CRASH_KIND /* 0: calls a null pointer, 1: illegal instruction, 2: the processor stops for good (lockup) */
#define HIL_HOSTILE_CRASH_KIND 0
#endif
#ifndef HIL_HOSTILE_BOOT_LOOP_BELOW /* crashes now and at every later start, until the power is cut */
#define HIL_HOSTILE_BOOT_LOOP_BELOW 0
#endif
#ifndef HIL_HOSTILE_HANG_BELOW
#define HIL_HOSTILE_HANG_BELOW 0
#endif
#ifndef HIL_HOSTILE_LEAK_BYTES /* of memory that each start takes and never gives back, from a pool of 4096 */
#define HIL_HOSTILE_LEAK_BYTES 0
#endif
#ifndef HIL_HOSTILE_FAIL_FROM /* fails in arenas from this size ... */
#define HIL_HOSTILE_FAIL_FROM 0
#endif
#ifndef HIL_HOSTILE_FAIL_TO /* ... to below this, however large */
#define HIL_HOSTILE_FAIL_TO 0
#endif
#ifndef HIL_HOSTILE_PASS_FROM /* works in arenas from this size ... */
#define HIL_HOSTILE_PASS_FROM 0
#endif
#ifndef HIL_HOSTILE_PASS_TO /* ... to below this, however small */
#define HIL_HOSTILE_PASS_TO 0
#endif

/* --- inference --------------------------------------------------------------------------------------------------------------------- */
#ifndef HIL_HOSTILE_INVOKE_CRASH_BELOW
#define HIL_HOSTILE_INVOKE_CRASH_BELOW 0
#endif
#ifndef HIL_HOSTILE_INVOKE_HANG_BELOW
#define HIL_HOSTILE_INVOKE_HANG_BELOW 0
#endif
#ifndef HIL_HOSTILE_INVOKE_FAIL_BELOW
#define HIL_HOSTILE_INVOKE_FAIL_BELOW 0
#endif
#ifndef HIL_HOSTILE_WRONG_BELOW /* one bit of the output */
#define HIL_HOSTILE_WRONG_BELOW 0
#endif
#ifndef HIL_HOSTILE_STATE_LEAK_BELOW /* state is not cleared */
#define HIL_HOSTILE_STATE_LEAK_BELOW 0
#endif
#ifndef HIL_HOSTILE_OVERRUN_BELOW
#define HIL_HOSTILE_OVERRUN_BELOW 0
#endif
#ifndef HIL_HOSTILE_OVERRUN_BYTES /* changed behind the arena */
#define HIL_HOSTILE_OVERRUN_BYTES 0
#endif
#ifndef HIL_HOSTILE_UNDERRUN_BYTES /* changed before the arena */
#define HIL_HOSTILE_UNDERRUN_BYTES 0
#endif

#endif
