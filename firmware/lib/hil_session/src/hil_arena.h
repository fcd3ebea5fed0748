/* The one memory block an engine may use, and the proof that it used no more. */
#ifndef HIL_ARENA_H
#define HIL_ARENA_H

#include <stdint.h>

namespace hil {

/* Makes an arena of `bytes` (at most HIL_ARENA_CAPACITY) and returns it. The whole block, guards included, is filled with a known
 * pattern: so an engine that reads what it never wrote gives the same bits every time, and every byte around the arena is watched. */
uint8_t* arena_prepare(uint32_t bytes);

/* Start and size of the last arena_prepare. */
uint8_t* arena_start();
uint32_t arena_bytes();

/* True while no byte before the arena, or after it up to the end of the guard beyond the capacity, has changed since arena_prepare.
 * Notices overruns of the size that was set, not only of the buffer. Takes time in proportion to the capacity. */
bool arena_guard_intact();

}  // namespace hil
#endif
