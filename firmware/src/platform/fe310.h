/* What start-up and platform of the FE310 share. */
#ifndef HIL_FE310_H
#define HIL_FE310_H

#include <stdint.h>

namespace hil {

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

inline volatile uint32_t& reg(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }

}  // namespace hil

extern "C" {
/* Places named by the linker script. */
extern uint32_t hil_stack_top, hil_stack_limit;
void hil_uart_interrupt(void);
}
#endif
