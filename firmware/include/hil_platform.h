/* The whole porting surface: implement these functions in one file under src/platform/ and the firmware runs on your board.
 *
 * Everything is called from one context (setup + loop), never from an interrupt. Only hil_platform_read's source may be
 * filled by an interrupt. Times are device ticks; what a tick is worth is said by hil_platform_tick_hz().
 */
#ifndef HIL_PLATFORM_H
#define HIL_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Starts the UART (8N1 at HIL_BAUD, receive interrupt into a ring of HIL_RX_RING_BYTES) and the tick counter.
 * MUST be callable exactly once. MUST NOT block waiting for a host to open the port. */
void hil_platform_init(void);

/* Copies up to `max` received bytes to `buf` and returns how many. 0 means no data now, not closed.
 * MUST NOT block. Bytes lost before this call MUST be counted by hil_platform_rx_overruns. */
size_t hil_platform_read(uint8_t* buf, size_t max);

/* Writes all `n` bytes and flushes them towards the host. MAY block while the line drains, but MUST give up (and drop the rest)
 * when the host takes nothing for about a second: a USB port without a reader must never hang the board. */
void hil_platform_write(const uint8_t* buf, size_t n);

/* Whether the line can run at `baud`: 1, or 0 where the clock can't make it within 2.5 % or the rate is beyond the hardware.
 * Optional: without it every rate but HIL_BAUD is refused. */
uint8_t hil_platform_baud_supported(uint32_t baud);
/* Changes the line's rate, once what was written has left at the old one. Called with HIL_BAUD and rates that are supported.
 * A platform that has the other function MUST have this one. */
void hil_platform_set_baud(uint32_t baud);

/* Free-running up-counter, wrapping at 2^32. MUST be monotonic between wraps; MUST cost well under 100 CPU cycles. */
uint32_t hil_platform_ticks(void);
/* Ticks per second, and CPU clock in Hz (0 where there is no meaningful figure). */
uint32_t hil_platform_tick_hz(void);
uint32_t hil_platform_cpu_hz(void);

/* Resets the chip. MUST NOT return. */
void hil_platform_reboot(void);
/* One of HIL_RESET_*: why the chip started. MUST keep its answer for the whole boot. */
uint8_t hil_platform_reset_reason(void);
/* Boots since power-on, counted in memory that survives a reset; 0 where there is none. */
uint32_t hil_platform_boot_count(void);

/* Called whenever the session waits for data: feed the watchdog, yield to the OS. MAY sleep until a byte comes, for 10 ms at most. */
void hil_platform_idle(void);
/* Called between vectors: feed the watchdog, yield to the OS. MUST NOT sleep: it would cost every vector that time.
 * Optional: without it nothing happens there. */
void hil_platform_yield(void);

/* Bytes received by the hardware but lost before hil_platform_read, since boot. */
uint32_t hil_platform_rx_overruns(void);

/* Stack bytes reserved, and never touched since boot; heap bytes that were always free. UINT32_MAX where unknown. */
uint32_t hil_platform_stack_bytes(void);
uint32_t hil_platform_stack_free_min(void);
uint32_t hil_platform_heap_free_min(void);

/* HIL_MEMORY_*: the kind of RAM that `address` is in; 0 where there is only one kind. Optional: without it, 0. */
uint8_t hil_platform_memory_kind(const void* address);

/* The chip's own serial number: copies at most `max` bytes and returns how many; 0 where there is none. */
size_t hil_platform_uid(uint8_t* buf, size_t max);

#ifdef __cplusplus
}
#endif
#endif
