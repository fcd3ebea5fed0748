/* Start-up of the ESP32-C3 as the mask ROM leaves it: vectors, memory, static constructors, faults. */
#include <stddef.h>
#include <stdint.h>

#include "esp32c3.h"

extern "C" {
extern uint32_t hil_bss_start, hil_bss_end;
typedef void (*Constructor)(void);
extern Constructor hil_init_array_start[], hil_init_array_end[];
int main(void);
[[noreturn]] void hil_start_c(void);

/* Static objects live until the power goes: nothing to destroy. Without these the C++ library's own would be asked for. */
void* __dso_handle = nullptr;
int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
[[noreturn]] void __cxa_pure_virtual(void) { hil::reset_with_mark(hil::kMarkFault); }
[[noreturn]] void abort(void) { hil::reset_with_mark(hil::kMarkFault); }
}

namespace hil {

__attribute__((section(".noinit"))) volatile Noinit g_noinit;

void reset_with_mark(uint32_t mark) {
  const uint32_t kRtcOptions0 = 0x60008000, kSystemReset = 1u << 31;
  g_noinit.mark = mark;
  __asm volatile("fence" ::: "memory");
  reg(kRtcOptions0) = reg(kRtcOptions0) | kSystemReset;
  for (;;) {
  }
}

}  // namespace hil

/* The ROM jumps here with its own stack. */
extern "C" __attribute__((naked, used, section(".start"))) void hil_start(void) {
  __asm volatile(
      ".option push\n"
      ".option norelax\n"
      "la gp, __global_pointer$\n"
      ".option pop\n"
      "la sp, hil_stack_top\n"
      "la tp, hil_tls_start\n"
      "la t0, hil_vectors\n"
      "ori t0, t0, 1\n"
      "csrw mtvec, t0\n"
      "j hil_start_c\n");
}

/* Entry 0 is every exception, entry n CPU interrupt line n; an entry is one instruction of four bytes. The table's place is a multiple of
 * 256. Lines without a handler are faults: none but those of this firmware is ever enabled. */
extern "C" __attribute__((naked, used, section(".vectors"), aligned(256))) void hil_vectors(void) {
  __asm volatile(
      ".option push\n"
      ".option norvc\n"
      "j hil_fault_entry\n"
      "j hil_uart_interrupt\n"
      ".rept 30\n"
      "j hil_fault_entry\n"
      ".endr\n"
      ".option pop\n");
}
static_assert(hil::kUartLine == 1, "the vector table above");

/* The fault may be a stack pointer gone astray: begin again at the top of the stack. */
extern "C" __attribute__((naked, used)) void hil_fault_entry(void) {
  __asm volatile(
      "la sp, hil_stack_top\n"
      "j hil_fault\n");
}

extern "C" __attribute__((used)) void hil_fault(void) { hil::reset_with_mark(hil::kMarkFault); }

extern "C" void hil_start_c(void) {
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
