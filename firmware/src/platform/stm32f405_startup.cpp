/* Start-up of the STM32F405: vectors, memory, FPU, static constructors, faults. */
#include <stddef.h>
#include <stdint.h>

#include "stm32f405.h"

extern "C" {
extern uint32_t hil_data_load, hil_data_start, hil_data_end, hil_bss_start, hil_bss_end;
typedef void (*Constructor)(void);
extern Constructor hil_init_array_start[], hil_init_array_end[];
int main(void);
void Reset_Handler(void);

/* Static objects live until the power goes: nothing to destroy. Without these the C++ library's own would pull in its heap. */
void* __dso_handle = nullptr;
int __aeabi_atexit(void*, void (*)(void*), void*) { return 0; }
[[noreturn]] void __cxa_pure_virtual(void) { hil::reset_with_mark(hil::kMarkFault); }
[[noreturn]] void abort(void) { hil::reset_with_mark(hil::kMarkFault); }
/* The C library's prints, with a heap. */
[[noreturn]] void __assert_func(const char*, int, const char*, const char*) { hil::reset_with_mark(hil::kMarkFault); }
}

/* Every class with a virtual destructor refers to these; nothing here is ever deleted. */
void operator delete(void*) noexcept { hil::reset_with_mark(hil::kMarkFault); }
void operator delete(void*, size_t) noexcept { hil::reset_with_mark(hil::kMarkFault); }

namespace hil {

__attribute__((section(".noinit"))) volatile Noinit g_noinit;

void reset_with_mark(uint32_t mark) {
  const uint32_t kAircr = 0xE000ED0C, kVectkey = 0x05FA0000, kSysresetreq = 1u << 2;
  g_noinit.mark = mark;
  __asm volatile("dsb" ::: "memory");
  reg(kAircr) = kVectkey | kSysresetreq;
  __asm volatile("dsb" ::: "memory");
  for (;;) {
  }
}

}  // namespace hil

/* The fault may be a stack pointer gone astray: begin again at the top of the stack. */
extern "C" __attribute__((naked)) void Fault_Handler(void) {
  __asm volatile(
      "ldr r0, =hil_stack_top\n"
      "mov sp, r0\n"
      "b hil_fault\n");
}

extern "C" __attribute__((used)) void hil_fault(void) { hil::reset_with_mark(hil::kMarkFault); }

extern "C" void Reset_Handler(void) {
  hil::reg(0xE000ED88) |= 0xFu << 20; /* CPACR: full access to the FPU, before any code that may use it */
  __asm volatile("dsb\n isb" ::: "memory");
  hil::reg(0xE000ED08) = 0x08000000u; /* VTOR: flash, whatever the boot pins mapped to 0 */

  const uint32_t* from = &hil_data_load;
  for (uint32_t* to = &hil_data_start; to < &hil_data_end;) *to++ = *from++;
  for (uint32_t* to = &hil_bss_start; to < &hil_bss_end;) *to++ = 0;

  /* Paint what the stack may use, up to here, for its high-water mark. Volatile: the compiler would make the loop a call of memset, whose
   * own return address lies where it paints. */
  uint32_t* here;
  __asm volatile("mov %0, sp" : "=r"(here));
  for (volatile uint32_t* to = &hil_stack_limit; to < here;) *to++ = hil::kStackPaint;

  for (Constructor* each = hil_init_array_start; each < hil_init_array_end; ++each) (*each)();
  main();
  hil::reset_with_mark(hil::kMarkFault);
}

/* A vector is an address, the first one the initial stack pointer. Entries without a handler of their own are faults: no interrupt but
 * those of this firmware is ever enabled. */
namespace {

typedef void (*Handler)(void);
enum { kSystemVectors = 16, kInterrupts = 82, kUsart1 = 37, kSysTick = 15 };

struct Vectors {
  const void* stack_top;
  Handler handler[kSystemVectors + kInterrupts - 1];
};

#define FAULT8 Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler, Fault_Handler

}  // namespace

extern "C" __attribute__((section(".isr_vector"), used)) const Vectors hil_vectors = {
    &hil_stack_top,
    {
        Reset_Handler, /* 1 */
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler, /* 2-7 */
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler, /* 8-13 */
        Fault_Handler,
        SysTick_Handler, /* 14, 15 */
        FAULT8,
        FAULT8,
        FAULT8,
        FAULT8, /* interrupts 0-31 */
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,     /* 32-36 */
        USART1_IRQHandler, /* 37 */
        FAULT8,
        FAULT8,
        FAULT8,
        FAULT8,
        FAULT8, /* 38-77 */
        Fault_Handler,
        Fault_Handler,
        Fault_Handler,
        Fault_Handler, /* 78-81 */
    },
};
