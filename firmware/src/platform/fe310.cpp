/* SiFive FE310 at register level: UART0, mcycle as tick counter, core at 16 MHz from the board's crystal.
 *
 * Runs in QEMU (machine sifive_e), as board hifive1-qemu. Written for the chip, after SiFive's FE310-G002 manual, but never tried on one.
 */
#include "fe310.h"

#include "hil_platform.h"
#include "hil_protocol_ids.h"

/* Ticks are cycles. The build for QEMU says 1 GHz, where a tick is one instruction. */
#ifndef HIL_TICK_HZ
#define HIL_TICK_HZ 16000000u
#endif
#ifndef HIL_CPU_HZ
#define HIL_CPU_HZ 16000000u
#endif
/* Rate of mtime: the chip's slow clock. QEMU has 10 MHz. */
#ifndef HIL_MTIME_HZ
#define HIL_MTIME_HZ 32768u
#endif

namespace {

using hil::g_noinit;
using hil::reg;

const uint32_t kPeripheralHz = 16000000u;

/* CLINT */
const uint32_t kTimeCompareLow = 0x02004000, kTimeCompareHigh = 0x02004004, kTimeLow = 0x0200BFF8, kTimeHigh = 0x0200BFFC;
/* PLIC */
const uint32_t kUart0Interrupt = 3;
const uint32_t kPlicPriority = 0x0C000000, kPlicEnable = 0x0C002000, kPlicThreshold = 0x0C200000, kPlicClaim = 0x0C200004;
/* AON */
const uint32_t kPmuCause = 0x10000144;
enum { kCausePowerOn = 0, kCauseExternal = 1, kCauseWatchdog = 2 };
/* PRCI */
const uint32_t kCrystalConfig = 0x10008004, kPllConfig = 0x10008008;
const uint32_t kCrystalEnable = 1u << 30, kCrystalReady = 1u << 31;
const uint32_t kPllSelect = 1u << 16, kPllFromCrystal = 1u << 17, kPllBypass = 1u << 18;
/* GPIO: pins 16 and 17 are the UART's */
const uint32_t kGpioFunctionEnable = 0x10012038, kGpioFunctionSelect = 0x1001203C, kUartPins = 3u << 16;
/* UART0 */
const uint32_t kUartTx = 0x10013000, kUartRx = 0x10013004, kUartTxControl = 0x10013008, kUartRxControl = 0x1001300C,
               kUartIntEnable = 0x10013010, kUartIntPending = 0x10013014, kUartDivider = 0x10013018;
const uint32_t kTxFull = 1u << 31, kRxEmpty = 1u << 31, kOn = 1u, kTxBelowOne = 1u << 16;
const uint32_t kIntTx = 1u << 0, kIntRx = 1u << 1;
/* CSRs */
const uint32_t kMachineInterrupts = 1u << 3; /* mstatus.MIE */
const uint32_t kTimerInterrupt = 1u << 7, kExternalInterrupt = 1u << 11;

hil::RxRing ring;
volatile uint32_t interrupt_ticks; /* spent in the receive interrupt since boot */
volatile uint32_t handler_ticks;   /* of one interrupt, beyond what it can time itself */
uint8_t reset_reason;

inline uint32_t cycles() {
  uint32_t now;
  __asm volatile("csrr %0, mcycle" : "=r"(now)::"memory");
  return now;
}

inline void mask_interrupts() { __asm volatile("csrc mstatus, %0" ::"r"(kMachineInterrupts) : "memory"); }
inline void unmask_interrupts() { __asm volatile("csrs mstatus, %0" ::"r"(kMachineInterrupts) : "memory"); }

uint8_t find_reset_reason() {
  const hil::Kept kept = hil::count_boot();
  if (kept.mark == hil::kMarkFault) return HIL_RESET_FAULT;
  if (kept.mark == hil::kMarkReboot) return HIL_RESET_SOFTWARE;
  switch ((reg(kPmuCause) >> 8) & 3) {
    case kCausePowerOn: /* and QEMU, where RAM is zero at the start and kept when its reset button is pressed */
      return kept.ram ? HIL_RESET_EXTERNAL : HIL_RESET_POWER_ON;
    case kCauseExternal:
      return HIL_RESET_EXTERNAL;
    case kCauseWatchdog:
      return HIL_RESET_WATCHDOG;
    default:
      return HIL_RESET_UNKNOWN;
  }
}

/* The crystal instead of the ring oscillator, which is off by up to a third. */
void start_clock() {
  reg(kCrystalConfig) = kCrystalEnable;
  while (!(reg(kCrystalConfig) & kCrystalReady)) {
  }
  reg(kPllConfig) = kPllBypass | kPllFromCrystal;
  reg(kPllConfig) = kPllBypass | kPllFromCrystal | kPllSelect;
}

uint64_t time_now() {
  for (;;) {
    const uint32_t high = reg(kTimeHigh), low = reg(kTimeLow);
    if (reg(kTimeHigh) == high) return (static_cast<uint64_t>(high) << 32) | low;
  }
}

void set_alarm(uint64_t when) {
  reg(kTimeCompareHigh) = UINT32_MAX; /* no alarm in between */
  reg(kTimeCompareLow) = static_cast<uint32_t>(when);
  reg(kTimeCompareHigh) = static_cast<uint32_t>(when >> 32);
}

/* What entry and exit of the interrupt take: one that finds no byte, asked for by the transmitter, against the same code with interrupts
 * masked. */
uint32_t time_handler() {
  const uint32_t before = interrupt_ticks;
  uint32_t taken[2];
  for (int masked = 1; masked >= 0; --masked) {
    if (masked) {
      mask_interrupts();
    } else {
      unmask_interrupts();
    }
    const uint32_t start = cycles();
    reg(kUartIntEnable) = kIntTx;
    __asm volatile("fence" ::: "memory");
    for (int wait = 0; wait < 16; ++wait) __asm volatile("nop"); /* until the PLIC has passed it on */
    reg(kUartIntEnable) = kIntRx;
    taken[masked] = cycles() - start;
    if (masked) reg(kPlicClaim) = reg(kPlicClaim); /* the PLIC may have latched it */
  }
  return taken[0] - taken[1] - (interrupt_ticks - before);
}

}  // namespace

/* Takes every byte there is. The ticks it takes are kept, to be left out of hil_platform_ticks: bytes that arrive while the engine
 * computes must not show in the time the engine took. */
extern "C" __attribute__((interrupt("machine"))) void hil_uart_interrupt(void) {
  const uint32_t start = cycles();
  const uint32_t source = reg(kPlicClaim);
  reg(kUartIntEnable) = kIntRx;
  for (uint32_t word = reg(kUartRx); !(word & kRxEmpty); word = reg(kUartRx)) ring.put(static_cast<uint8_t>(word));
  reg(kPlicClaim) = source;
  interrupt_ticks = interrupt_ticks + handler_ticks + (cycles() - start);
}

void hil_platform_init(void) {
  reset_reason = find_reset_reason();
  start_clock();

  reg(kGpioFunctionSelect) = reg(kGpioFunctionSelect) & ~kUartPins;
  reg(kGpioFunctionEnable) = reg(kGpioFunctionEnable) | kUartPins;
  reg(kUartDivider) = (kPeripheralHz + HIL_BAUD / 2) / HIL_BAUD - 1;
  reg(kUartTxControl) = kTxBelowOne | kOn; /* "below one": its flag says that nothing is left to send */
  reg(kPlicPriority + 4 * kUart0Interrupt) = 1;
  reg(kPlicEnable) = 1u << kUart0Interrupt;
  reg(kPlicThreshold) = 0;
  __asm volatile("csrw mie, %0" ::"r"(kExternalInterrupt) : "memory");
  handler_ticks = time_handler(); /* before the receiver is on, so that no byte can fall into it */
  reg(kUartRxControl) = kOn;      /* from one byte on */
  reg(kUartIntEnable) = kIntRx;
  unmask_interrupts();
}

size_t hil_platform_read(uint8_t* buf, size_t max) { return ring.take(buf, max); }

/* A UART takes a byte every frame time whether anybody listens or not. A second without is a dead peripheral. */
void hil_platform_write(const uint8_t* buf, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const uint32_t start = cycles();
    while (reg(kUartTx) & kTxFull) {
      if (cycles() - start > HIL_TICK_HZ) return;
    }
    reg(kUartTx) = buf[i];
  }
}

uint8_t hil_platform_baud_supported(uint32_t baud) {
  if (baud < 1200 || baud > kPeripheralHz / 16) return 0;
  const uint32_t made = kPeripheralHz / ((kPeripheralHz + baud / 2) / baud);
  const uint32_t off = made > baud ? made - baud : baud - made;
  return off <= baud / 40;
}

void hil_platform_set_baud(uint32_t baud) {
  const uint32_t start = cycles();
  while (!(reg(kUartIntPending) & kIntTx) && cycles() - start < HIL_TICK_HZ) {
  }
  /* The queue is empty, the last byte still on the line: two frames of it, at the rate it leaves with. */
  const uint32_t frame = (reg(kUartDivider) + 1) * 10;
  const uint32_t emptied = cycles();
  while (cycles() - emptied < 2 * frame) {
  }
  reg(kUartDivider) = (kPeripheralHz + baud / 2) / baud - 1;
}

/* Masked, so that an interrupt falls before both reads or after both. */
uint32_t hil_platform_ticks(void) {
  mask_interrupts();
  const uint32_t ticks = cycles() - interrupt_ticks;
  unmask_interrupts();
  return ticks;
}
uint32_t hil_platform_tick_hz(void) { return HIL_TICK_HZ; }
uint32_t hil_platform_cpu_hz(void) { return HIL_CPU_HZ; }

void hil_platform_reboot(void) { hil::reset_with_mark(hil::kMarkReboot); }
uint8_t hil_platform_reset_reason(void) { return reset_reason; }
uint32_t hil_platform_boot_count(void) { return g_noinit.boot_count; }

/* Sleeps until a byte comes or 10 ms are over. With interrupts masked between the check and WFI no byte can slip in unseen; a pending one
 * still ends WFI. The alarm's interrupt is never taken, only waited for. */
void hil_platform_idle(void) {
  mask_interrupts();
  if (ring.empty()) {
    set_alarm(time_now() + HIL_MTIME_HZ / 100);
    __asm volatile("csrs mie, %0\n wfi\n csrc mie, %0" ::"r"(kTimerInterrupt) : "memory");
  }
  unmask_interrupts();
}

uint32_t hil_platform_rx_overruns(void) { return ring.overruns; }

uint32_t hil_platform_stack_bytes(void) { return hil::stack_bytes(); }
uint32_t hil_platform_stack_free_min(void) { return hil::stack_free_min(); }

/* There is no heap: the linker script leaves it no place. */
uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }

/* The chip's one-time programmable memory may hold a serial number, if its maker wrote one: not read. */
size_t hil_platform_uid(uint8_t*, size_t) { return 0; }
