/* The device side of docs/protocol.md: one conversation with one host over the platform's UART. */
#ifndef HIL_SESSION_H
#define HIL_SESSION_H

#include <stdint.h>

namespace hil {

/* Starts the platform, announces the boot and makes the engine ready in ARENA_SIZE bytes. An engine that can't start is no reason to
 * stop: INFO says why, INFER is refused, and SET_ARENA may cure it. Call once, from setup(). */
void session_begin();

/* Takes what the UART has, answers the requests in it, and idles when there is nothing. Call for ever, from loop(). */
void session_poll();

/* Sends a LOG frame: `level` is HIL_LOG_*, `text` UTF-8, cut to what a small frame holds. May be called by an engine in any of its
 * functions. */
void session_log(uint8_t level, const char* text);

}  // namespace hil
#endif
