/* STM32F405 at register level: USART1 on PA9/PA10, TIM2 as tick counter, core at 16 MHz from the internal oscillator (reset state).
 *
 * Runs in QEMU (machine netduinoplus2), where an unimplemented clock controller reads as 0 and ignores writes. Not yet tried on a chip.
 */
#include "hil_platform.h"

#include <string.h>

#include "hil_build_config.h"
#include "hil_protocol_ids.h"
#include "stm32f405.h"

/* Ticks are TIM2's: the timer clock, 16 MHz on the chip. The build for QEMU says 1 GHz, where a tick is one instruction. */
#ifndef HIL_TICK_HZ
#define HIL_TICK_HZ 16000000u
#endif
#ifndef HIL_CPU_HZ
#define HIL_CPU_HZ 16000000u
#endif
/* 0: there is no unique device id to read (QEMU: reading there is a bus fault). */
#ifndef HIL_STM32_UID
#define HIL_STM32_UID 0x1FFF7A10u
#endif

namespace {

using hil::g_noinit;
using hil::reg;

const uint32_t kPeripheralHz = 16000000u; /* APB2 without a prescaler */

/* RCC */
const uint32_t kRccAhb1enr = 0x40023830, kRccApb1enr = 0x40023840, kRccApb2enr = 0x40023844, kRccCsr = 0x40023874;
const uint32_t kCsrClear = 1u << 24, kCsrBrownOut = 1u << 25, kCsrPin = 1u << 26, kCsrPowerOn = 1u << 27, kCsrSoftware = 1u << 28,
               kCsrWatchdogs = 3u << 29;
/* GPIOA */
const uint32_t kGpioaModer = 0x40020000, kGpioaPupdr = 0x4002000C, kGpioaAfrh = 0x40020024;
/* USART1 */
const uint32_t kUsartSr = 0x40011000, kUsartDr = 0x40011004, kUsartBrr = 0x40011008, kUsartCr1 = 0x4001100C;
const uint32_t kSrOverrun = 1u << 3, kSrReceived = 1u << 5, kSrSent = 1u << 6, kSrTxEmpty = 1u << 7;
const uint32_t kCr1Receive = 1u << 2, kCr1Transmit = 1u << 3, kCr1ReceiveInterrupt = 1u << 5, kCr1Enable = 1u << 13;
const uint32_t kUsart1Interrupt = 37, kNvicIser = 0xE000E100, kNvicIcpr = 0xE000E280, kNvicStir = 0xE000EF00;
/* TIM2 */
const uint32_t kTim2Cr1 = 0x40000000, kTim2Egr = 0x40000014, kTim2Cnt = 0x40000024, kTim2Psc = 0x40000028, kTim2Arr = 0x4000002C;
/* SysTick */
const uint32_t kSystCsr = 0xE000E010, kSystRvr = 0xE000E014, kSystCvr = 0xE000E018;

hil::RxRing ring;
volatile uint32_t interrupt_ticks; /* spent in the receive interrupt since boot */
uint32_t handler_ticks;
uint8_t reset_reason;

uint8_t find_reset_reason() {
  const uint32_t csr = reg(kRccCsr);
  reg(kRccCsr) = csr | kCsrClear;
  const hil::Kept kept = hil::count_boot();
  /* The chip sets several flags at once (power-on sets brown-out and pin too): the strongest reason first. */
  if (csr & kCsrPowerOn) return HIL_RESET_POWER_ON;
  if (csr & kCsrWatchdogs) return HIL_RESET_WATCHDOG;
  if (kept.mark == hil::kMarkFault) return HIL_RESET_FAULT;
  if (kept.mark == hil::kMarkReboot || (csr & kCsrSoftware)) return HIL_RESET_SOFTWARE;
  if (csr & kCsrBrownOut) return HIL_RESET_BROWN_OUT;
  if (csr & kCsrPin) return HIL_RESET_EXTERNAL;
  /* No flag at all: QEMU. RAM is zero when it starts and kept when its reset button is pressed. */
  return kept.ram ? HIL_RESET_EXTERNAL : HIL_RESET_POWER_ON;
}

}  // namespace

/* Takes one byte. Reading the status and then the data register clears the overrun flag. Not inlined, so that entry and exit of the
 * handler below cost the same on every path. */
__attribute__((noinline)) static void receive() {
  const uint32_t status = reg(kUsartSr);
  if (!(status & (kSrReceived | kSrOverrun))) return;
  const uint8_t byte = static_cast<uint8_t>(reg(kUsartDr));
  if (status & kSrOverrun) ring.lose();
  if (status & kSrReceived) ring.put(byte);
}

/* The ticks it takes are kept, to be left out of hil_platform_ticks: bytes that arrive while the engine computes must not show in the
 * time the engine took. */
void USART1_IRQHandler(void) {
  const uint32_t start = reg(kTim2Cnt);
  receive();
  interrupt_ticks = interrupt_ticks + (reg(kTim2Cnt) - start) + handler_ticks;
}

/* What the handler's entry and exit take beyond what it can time itself: a pended interrupt that finds no byte, against the same code with
 * interrupts masked. */
static uint32_t time_handler() {
  const uint32_t before = interrupt_ticks;
  uint32_t taken[2];
  for (int masked = 1; masked >= 0; --masked) {
    if (masked) {
      __asm volatile("cpsid i" ::: "memory");
    } else {
      __asm volatile("cpsie i" ::: "memory");
    }
    const uint32_t start = reg(kTim2Cnt);
    reg(kNvicStir) = kUsart1Interrupt;
    __asm volatile("dsb\n isb" ::: "memory");
    taken[masked] = reg(kTim2Cnt) - start;
    if (masked) reg(kNvicIcpr + 4 * (kUsart1Interrupt / 32)) = 1u << (kUsart1Interrupt % 32);
  }
  return taken[0] - taken[1] - (interrupt_ticks - before);
}

/* Only wakes the core from hil_platform_idle. */
void SysTick_Handler(void) {}

void hil_platform_init(void) {
  reset_reason = find_reset_reason();

  reg(kRccAhb1enr) |= 1u;                    /* GPIOA */
  reg(kRccApb1enr) |= 1u;                    /* TIM2 */
  reg(kRccApb2enr) |= 1u << 4;               /* USART1 */
  const uint32_t settled = reg(kRccApb2enr); /* a peripheral answers two cycles after its clock is on */
  (void)settled;

  reg(kGpioaAfrh) = (reg(kGpioaAfrh) & ~0xFF0u) | 0x770u;             /* PA9, PA10: function 7, USART1 */
  reg(kGpioaPupdr) = (reg(kGpioaPupdr) & ~(0xFu << 18)) | (1u << 20); /* pull RX up: an open input is not a stream of breaks */
  reg(kGpioaModer) = (reg(kGpioaModer) & ~(0xFu << 18)) | (0xAu << 18);
  reg(kTim2Psc) = 0;
  reg(kTim2Arr) = 0xFFFFFFFFu;
  reg(kTim2Egr) = 1; /* take prescaler and limit over now */
  reg(kTim2Cr1) = 1;
  reg(kNvicIser + 4 * (kUsart1Interrupt / 32)) = 1u << (kUsart1Interrupt % 32);
  handler_ticks = time_handler(); /* before the UART is on, so that no byte can fall into it */

  reg(kUsartBrr) = (kPeripheralHz + HIL_BAUD / 2) / HIL_BAUD; /* oversampling by 16: BRR is the divider x 16 */
  reg(kUsartCr1) = kCr1Enable | kCr1Transmit | kCr1Receive | kCr1ReceiveInterrupt;
}

size_t hil_platform_read(uint8_t* buf, size_t max) { return ring.take(buf, max); }

/* A UART takes a byte every frame time whether anybody listens or not. A second without is a dead peripheral. */
static bool wait_for(uint32_t flag) {
  const uint32_t start = hil_platform_ticks();
  while (!(reg(kUsartSr) & flag)) {
    if (hil_platform_ticks() - start > HIL_TICK_HZ) return false;
  }
  return true;
}

void hil_platform_write(const uint8_t* buf, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    if (!wait_for(kSrTxEmpty)) return;
    reg(kUsartDr) = buf[i];
  }
  wait_for(kSrSent);
}

static uint32_t divider(uint32_t baud) { return (kPeripheralHz + baud / 2) / baud; /* oversampling by 16: BRR is the divider x 16 */ }

uint8_t hil_platform_baud_supported(uint32_t baud) {
  if (baud < 1200 || baud > kPeripheralHz / 16) return 0;
  const uint32_t made = kPeripheralHz / divider(baud);
  const uint32_t off = made > baud ? made - baud : baud - made;
  return off <= baud / 40;
}

void hil_platform_set_baud(uint32_t baud) {
  wait_for(kSrSent);
  reg(kUsartBrr) = divider(baud);
}

/* Masked, so that an interrupt falls before both reads or after both. */
uint32_t hil_platform_ticks(void) {
  __asm volatile("cpsid i" ::: "memory");
  const uint32_t ticks = reg(kTim2Cnt) - interrupt_ticks;
  __asm volatile("cpsie i" ::: "memory");
  return ticks;
}
uint32_t hil_platform_tick_hz(void) { return HIL_TICK_HZ; }
uint32_t hil_platform_cpu_hz(void) { return HIL_CPU_HZ; }

void hil_platform_reboot(void) { hil::reset_with_mark(hil::kMarkReboot); }
uint8_t hil_platform_reset_reason(void) { return reset_reason; }
uint32_t hil_platform_boot_count(void) { return g_noinit.boot_count; }

/* Sleeps until an interrupt: a received byte, or SysTick, which runs only here so that it never lands in a measured inference.
 * With interrupts masked between the check and WFI no byte can slip in unseen; a pending one still ends WFI. */
void hil_platform_idle(void) {
  __asm volatile("cpsid i" ::: "memory");
  if (ring.empty()) {
    reg(kSystRvr) = kPeripheralHz / 100 - 1;
    reg(kSystCvr) = 0;
    reg(kSystCsr) = 7; /* core clock, interrupt, on */
    __asm volatile("dsb\n wfi" ::: "memory");
    reg(kSystCsr) = 0;
  }
  __asm volatile("cpsie i" ::: "memory");
}

uint32_t hil_platform_rx_overruns(void) { return ring.overruns; }

uint32_t hil_platform_stack_bytes(void) { return hil::stack_bytes(); }
uint32_t hil_platform_stack_free_min(void) { return hil::stack_free_min(); }

/* There is no heap: the linker script leaves it no place and no _sbrk exists. */
uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }

size_t hil_platform_uid(uint8_t* buf, size_t max) {
#if HIL_STM32_UID
  const size_t kUidBytes = 12;
  const size_t n = max < kUidBytes ? max : kUidBytes;
  memcpy(buf, reinterpret_cast<const void*>(static_cast<uintptr_t>(HIL_STM32_UID)), n);
  return n;
#else
  (void)buf;
  (void)max;
  return 0;
#endif
}
