/* Start-up of the FE310, executing in place from its SPI flash: traps, memory, static constructors, faults. */
#include <stddef.h>
#include <stdint.h>

#include "fe310.h"

extern "C" {
extern uint32_t hil_data_load, hil_data_start, hil_data_end, hil_bss_start, hil_bss_end;
typedef void (*Constructor)(void);
extern Constructor hil_init_array_start[], hil_init_array_end[];
int main(void);
[[noreturn]] void hil_start(void);
[[noreturn]] void hil_start_c(void);

/* Static objects live until the power goes: nothing to destroy. Without these the C++ library's own would be asked for. */
void* __dso_handle = nullptr;
int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
[[noreturn]] void __cxa_pure_virtual(void) { hil::reset_with_mark(hil::kMarkFault); }
[[noreturn]] void abort(void) { hil::reset_with_mark(hil::kMarkFault); }
}

namespace hil {

__attribute__((section(".noinit"))) volatile Noinit g_noinit;

/* The chip's only reset that software can ask for is the watchdog's. QEMU (machine sifive_e) has no watchdog: there the program starts
 * again from its first instruction, which sets up everything anew but the peripherals' registers. */
void reset_with_mark(uint32_t mark) {
  const uint32_t kConfig = 0x10000000, kFeed = 0x10000018, kKey = 0x1000001C, kCompare = 0x10000020;
  const uint32_t kUnlock = 0x51F15Eu, kFood = 0xD09F00Du, kReset = 1u << 8, kAlways = 1u << 12;
  const uint32_t kWaitCycles = 1000000; /* the watchdog counts at 32 kHz */
  __asm volatile("csrc mstatus, %0" ::"r"(1u << 3) : "memory");
  g_noinit.mark = mark;
  reg(kKey) = kUnlock;
  reg(kCompare) = 0;
  reg(kKey) = kUnlock;
  reg(kFeed) = kFood;
  reg(kKey) = kUnlock;
  reg(kConfig) = kReset | kAlways;
  uint32_t start, now;
  __asm volatile("csrr %0, mcycle" : "=r"(start));
  do {
    __asm volatile("csrr %0, mcycle" : "=r"(now));
  } while (now - start < kWaitCycles);
  hil_start();
}

}  // namespace hil

/* The boot loader, or QEMU's reset code, jumps to the first address of the program. */
extern "C" __attribute__((naked, used, section(".start"))) void hil_start(void) {
  __asm volatile(
      ".option push\n"
      ".option norelax\n"
      "la gp, __global_pointer$\n"
      ".option pop\n"
      "csrci mstatus, 8\n"
      "la sp, hil_stack_top\n"
      "la tp, hil_tls_start\n"
      "la t0, hil_trap\n"
      "csrw mtvec, t0\n"
      "j hil_start_c\n");
}

/* The one place of every trap. The receive interrupt is the only one that is ever taken (mcause < 0); all else is a fault, which may be
 * a stack pointer gone astray: begin again at the top of the stack. */
extern "C" __attribute__((naked, used, aligned(64))) void hil_trap(void) {
  __asm volatile(
      "csrw mscratch, t0\n"
      "csrr t0, mcause\n"
      "bgez t0, 1f\n"
      "csrr t0, mscratch\n"
      "j hil_uart_interrupt\n"
      "1: la sp, hil_stack_top\n"
      "j hil_fault\n");
}

extern "C" __attribute__((used)) void hil_fault(void) { hil::reset_with_mark(hil::kMarkFault); }

extern "C" void hil_start_c(void) {
  const uint32_t* from = &hil_data_load;
  for (uint32_t* to = &hil_data_start; to < &hil_data_end;) *to++ = *from++;
  for (uint32_t* to = &hil_bss_start; to < &hil_bss_end;) *to++ = 0;

  /* Paint what the stack may use, up to here, for its high-water mark. Volatile: the compiler would make the loop a call of memset, whose
   * own return address lies where it paints. */
  uint32_t* here;
  __asm volatile("mv %0, sp" : "=r"(here));
  for (volatile uint32_t* to = &hil_stack_limit; to < here;) *to++ = hil::kStackPaint;

  for (Constructor* each = hil_init_array_start; each < hil_init_array_end; ++each) (*each)();
  main();
  hil::reset_with_mark(hil::kMarkFault);
}
