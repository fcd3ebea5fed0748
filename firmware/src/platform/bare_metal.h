/* What the platforms without a framework share: registers, memory that outlives a reset, the receive ring, the painted stack. */
#ifndef HIL_BARE_METAL_H
#define HIL_BARE_METAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "hil_build_config.h"

/* Places named by the linker script. Start-up fills what lies between them with kStackPaint. */
extern "C" {
extern uint32_t hil_stack_top, hil_stack_limit;
}

namespace hil {

inline volatile uint32_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }

/* Memory that keeps its content over a reset; garbage after power-on, hence the magic number. */
struct Noinit {
  uint32_t magic;
  uint32_t boot_count;
  uint32_t mark; /* why the firmware itself reset the chip; kMarkNone: it did not */
};

enum : uint32_t { kNoinitMagic = 0x48494C31u, kMarkNone = 0, kMarkReboot = 0x5EB00700u, kMarkFault = 0xFA017000u };
enum : uint32_t { kStackPaint = 0xC5C5C5C5u };

extern volatile Noinit g_noinit;

/* Resets the chip, leaving `mark` for the next boot. */
[[noreturn]] void reset_with_mark(uint32_t mark);

/* What the boot before left. */
struct Kept {
  bool ram; /* false: power was off, or this is the first boot */
  uint32_t mark;
};

/* Counts this boot, takes the mark and leaves none. Call once a boot. */
inline Kept count_boot() {
  const bool ram = g_noinit.magic == kNoinitMagic;
  const Kept kept = {ram, ram ? g_noinit.mark : static_cast<uint32_t>(kMarkNone)};
  g_noinit.boot_count = ram ? g_noinit.boot_count + 1 : 1;
  g_noinit.mark = kMarkNone;
  g_noinit.magic = kNoinitMagic;
  return kept;
}

/* Received bytes: the interrupt puts, the session takes. Both ends count bytes and wrap at 2^32, so that the whole ring can be full.
 * Plain data, zero at a boot. */
struct RxRing {
  static_assert((HIL_RX_RING_BYTES & (HIL_RX_RING_BYTES - 1)) == 0, "HIL_RX_RING_BYTES must be a power of two");

  uint8_t bytes[HIL_RX_RING_BYTES];
  volatile uint32_t head, tail, overruns;

  bool empty() const { return head == tail; }

  /* From the interrupt. A byte that finds no room is lost and counted. */
  void put(uint8_t byte) {
    const uint32_t at = head;
    if (at - tail == HIL_RX_RING_BYTES) {
      lose();
      return;
    }
    bytes[at % HIL_RX_RING_BYTES] = byte;
    head = at + 1;
  }

  void lose() { overruns = overruns + 1; }

  /* As hil_platform_read. */
  size_t take(uint8_t* buf, size_t max) {
    const uint32_t from = tail;
    const uint32_t waiting = head - from;
    const size_t n = waiting < max ? waiting : max;
    __asm volatile("" ::: "memory"); /* what the interrupt wrote before it moved `head` */
    const size_t start = from % HIL_RX_RING_BYTES;
    const size_t until_wrap = HIL_RX_RING_BYTES - start;
    const size_t first = n < until_wrap ? n : until_wrap;
    memcpy(buf, bytes + start, first);
    memcpy(buf + first, bytes, n - first);
    __asm volatile("" ::: "memory"); /* the interrupt may reuse the place only once it is read */
    tail = from + static_cast<uint32_t>(n);
    return n;
  }
};

inline uint32_t stack_bytes() {
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(&hil_stack_top) - reinterpret_cast<uintptr_t>(&hil_stack_limit));
}

/* Bytes of the stack that were never touched. */
inline uint32_t stack_free_min() {
  const volatile uint32_t* word = &hil_stack_limit;
  while (word < &hil_stack_top && *word == kStackPaint) ++word;
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(word) - reinterpret_cast<uintptr_t>(&hil_stack_limit));
}

}  // namespace hil
#endif
