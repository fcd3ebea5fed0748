/* Misbehaviour on demand, for tests of the harness: compiled in only with -DHIL_TEST_HOOKS, which no default build sets.
 *
 * A PING whose body is one of these words (with its number, in decimal) makes the device
 *   HANG          stop for ever, before the PONG
 *   CRASH         execute an illegal instruction, before the PONG
 *   SEGV          write to an address that isn't there, before the PONG (an MCU may not notice)
 *   OVERFLOW      overflow its stack, before the PONG (an MCU may not notice)
 *   RESET         reset by itself, before the PONG
 *   SILENT n      keep its next n replies to itself, this PONG not included; requests are executed all the same
 *   GARBLE n      flip a bit of its next n replies, so that their CRC is wrong, this PONG not included
 *   SLOW n        spend n more milliseconds before every reply, this PONG included; 0 ends it
 *   SMASH n       change the byte n bytes beyond the arena's set size, as an engine that overruns it would
 *   TEXT          print a line of console text before the PONG
 * The session id, order and everything else work as ever.
 */
#ifndef HIL_TEST_HOOKS_H
#define HIL_TEST_HOOKS_H

#ifdef HIL_TEST_HOOKS

#include <stddef.h>
#include <stdint.h>

namespace hil {

/* Does what a PING body asks for; nothing if it is no hook. */
void test_hook_ping(const uint8_t* body, size_t n);

/* Called for each whole frame (CRC included) before it is sent; may spoil it. Returns false when it must not be sent. */
bool test_hook_before_send(uint8_t* frame, size_t n);

/* Undoes test_hook_before_send's damage, for a frame that is kept to be sent again. */
void test_hook_after_send(uint8_t* frame, size_t n);

}  // namespace hil

#endif
#endif
