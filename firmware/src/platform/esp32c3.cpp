/* ESP32-C3 at register level: UART0, SYSTIMER as tick counter, the clocks as the mask ROM leaves them (CPU 20 MHz from the crystal).
 *
 * Board esp32c3-sim runs it. It is written for the chip, after Espressif's reference manual, but was never tried on one.
 */
#include "esp32c3.h"

#include <string.h>

#include "hil_build_config.h"
#include "hil_platform.h"
#include "hil_protocol_ids.h"

/* The ROM has set the UART for its own messages at this rate; nothing here changes it. */
static_assert(HIL_BAUD == 115200, "the mask ROM's UART rate is the only one");

namespace {

using hil::g_noinit;
using hil::reg;

const uint32_t kTickHz = 16000000u, kCpuHz = 20000000u;

/* Watchdogs */
const uint32_t kTimg0WdtConfig = 0x6001F048, kTimg0WdtProtect = 0x6001F064, kRtcWdtConfig = 0x60008090, kRtcWdtProtect = 0x600080A8,
               kSuperWdtConfig = 0x600080AC, kSuperWdtProtect = 0x600080B0;
const uint32_t kWdtKey = 0x50D83AA1, kSuperWdtKey = 0x8F1D312A, kSuperWdtAutoFeed = 1u << 31;
/* RTC: why the chip started */
const uint32_t kRtcResetState = 0x60008038;
enum { kCausePowerOn = 1, kCauseSoftware = 3, kCauseSoftwareCpu = 12, kCauseBrownOut = 15 };
/* UART0 */
const uint32_t kUartFifo = 0x60000000, kUartIntEnable = 0x6000000C, kUartIntClear = 0x60000010, kUartStatus = 0x6000001C,
               kUartConf1 = 0x60000024, kUartIntRaw = 0x60000004;
const uint32_t kFifoMask = 0x3FF, kTxFifoBytes = 128;
const uint32_t kIntRxFull = 1u << 0, kIntRxOverflow = 1u << 4;
/* SYSTIMER, unit 0, and its alarm 0 */
const uint32_t kTimConf = 0x60023000, kTimUnit0Op = 0x60023004, kTimTarget0High = 0x6002301C, kTimTarget0Low = 0x60023020,
               kTimTarget0Conf = 0x60023034, kTimUnit0High = 0x60023040, kTimUnit0Low = 0x60023044, kTimComp0Load = 0x60023050,
               kTimIntEnable = 0x60023064, kTimIntClear = 0x6002306C;
const uint32_t kTimUnit0Run = 1u << 30, kTimTarget0Run = 1u << 24, kTimUpdate = 1u << 30, kTimValid = 1u << 29;
/* Interrupt matrix: which source goes to which CPU line */
const uint32_t kMapUart0 = 0x600C2000 + 4 * 21, kMapTimTarget0 = 0x600C2000 + 4 * 37, kLineEnable = 0x600C2104, kLineType = 0x600C2108,
               kLinePriority = 0x600C2114, kLineThreshold = 0x600C2194;
const uint32_t kMachineInterrupts = 1u << 3; /* mstatus.MIE */

hil::RxRing ring;
uint8_t reset_reason;

uint8_t find_reset_reason() {
  const hil::Kept kept = hil::count_boot();
  switch (reg(kRtcResetState) & 0x3F) {
    case kCausePowerOn: /* pin EN too; then the memory is as it was */
      return kept.ram ? HIL_RESET_EXTERNAL : HIL_RESET_POWER_ON;
    case kCauseSoftware:
    case kCauseSoftwareCpu:
      return kept.mark == hil::kMarkFault ? HIL_RESET_FAULT : HIL_RESET_SOFTWARE;
    case kCauseBrownOut:
      return HIL_RESET_BROWN_OUT;
    case 7: /* main watchdog 0, 1, RTC watchdog, super watchdog: of the system or the CPU */
    case 8:
    case 9:
    case 11:
    case 13:
    case 16:
    case 17:
    case 18:
      return HIL_RESET_WATCHDOG;
    default:
      return HIL_RESET_UNKNOWN;
  }
}

/* The ROM starts two watchdogs against a boot that hangs, and the super watchdog is always on. */
void stop_watchdogs() {
  reg(kTimg0WdtProtect) = kWdtKey;
  reg(kTimg0WdtConfig) = 0;
  reg(kTimg0WdtProtect) = 0;
  reg(kRtcWdtProtect) = kWdtKey;
  reg(kRtcWdtConfig) = 0;
  reg(kRtcWdtProtect) = 0;
  reg(kSuperWdtProtect) = kSuperWdtKey;
  reg(kSuperWdtConfig) = reg(kSuperWdtConfig) | kSuperWdtAutoFeed;
  reg(kSuperWdtProtect) = 0;
}

void enable_line(uint32_t map, uint32_t line) {
  reg(map) = line;
  reg(kLinePriority + 4 * line) = 1;
  reg(kLineType) = reg(kLineType) & ~(1u << line); /* level */
  reg(kLineEnable) = reg(kLineEnable) | (1u << line);
}

uint64_t count() {
  reg(kTimUnit0Op) = kTimUpdate;
  while (!(reg(kTimUnit0Op) & kTimValid)) {
  }
  const uint32_t low = reg(kTimUnit0Low);
  return (static_cast<uint64_t>(reg(kTimUnit0High)) << 32) | low;
}

}  // namespace

/* "Full" is from one byte on. The interrupt stays up while there is one, so all are taken. */
extern "C" __attribute__((interrupt("machine"))) void hil_uart_interrupt(void) {
  if (reg(kUartIntRaw) & kIntRxOverflow) {
    reg(kUartIntClear) = kIntRxOverflow;
    ring.lose();
  }
  for (uint32_t waiting = reg(kUartStatus) & kFifoMask; waiting > 0; --waiting) {
    ring.put(static_cast<uint8_t>(reg(kUartFifo)));
  }
  reg(kUartIntClear) = kIntRxFull;
}

void hil_platform_init(void) {
  stop_watchdogs();
  reset_reason = find_reset_reason();

  reg(kTimConf) = reg(kTimConf) | kTimUnit0Run;
  reg(kTimIntEnable) = 1; /* alarm 0: wakes hil_platform_idle */
  enable_line(kMapTimTarget0, hil::kTimerLine);

  reg(kUartConf1) = (reg(kUartConf1) & ~0x1FFu) | 1u; /* receive threshold: one byte */
  reg(kUartIntClear) = 0xFFFFFFFFu;
  reg(kUartIntEnable) = kIntRxFull | kIntRxOverflow;
  enable_line(kMapUart0, hil::kUartLine);
  reg(kLineThreshold) = 1;
  __asm volatile("csrs mstatus, %0" ::"r"(kMachineInterrupts) : "memory");
}

size_t hil_platform_read(uint8_t* buf, size_t max) { return ring.take(buf, max); }

void hil_platform_write(const uint8_t* buf, size_t n) {
  size_t done = 0;
  uint64_t start = count();
  while (done < n) {
    const uint32_t waiting = (reg(kUartStatus) >> 16) & kFifoMask;
    if (waiting >= kTxFifoBytes) {
      /* A UART takes a byte every frame time whether anybody listens or not. A second without is a dead peripheral. */
      if (count() - start > kTickHz) return;
      continue;
    }
    for (uint32_t room = kTxFifoBytes - waiting; room > 0 && done < n; --room) reg(kUartFifo) = buf[done++];
    start = count();
  }
}

uint32_t hil_platform_ticks(void) { return static_cast<uint32_t>(count()); }
uint32_t hil_platform_tick_hz(void) { return kTickHz; }
uint32_t hil_platform_cpu_hz(void) { return kCpuHz; }

void hil_platform_reboot(void) { hil::reset_with_mark(hil::kMarkReboot); }
uint8_t hil_platform_reset_reason(void) { return reset_reason; }
uint32_t hil_platform_boot_count(void) { return g_noinit.boot_count; }

/* Sleeps until a byte comes or 10 ms are over. With interrupts masked between the check and WFI no byte can slip in unseen; a pending one
 * still ends WFI. The alarm's interrupt is never taken, only waited for. */
void hil_platform_idle(void) {
  __asm volatile("csrc mstatus, %0" ::"r"(kMachineInterrupts) : "memory");
  if (ring.empty()) {
    const uint64_t until = count() + kTickHz / 100;
    reg(kTimConf) = reg(kTimConf) & ~kTimTarget0Run;
    reg(kTimTarget0Conf) = 0; /* one shot, unit 0 */
    reg(kTimTarget0High) = static_cast<uint32_t>(until >> 32);
    reg(kTimTarget0Low) = static_cast<uint32_t>(until);
    reg(kTimComp0Load) = 1;
    reg(kTimConf) = reg(kTimConf) | kTimTarget0Run;
    __asm volatile("wfi" ::: "memory");
    reg(kTimConf) = reg(kTimConf) & ~kTimTarget0Run;
    reg(kTimIntClear) = 1;
  }
  __asm volatile("csrs mstatus, %0" ::"r"(kMachineInterrupts) : "memory");
}

uint32_t hil_platform_rx_overruns(void) { return ring.overruns; }

uint32_t hil_platform_stack_bytes(void) { return hil::stack_bytes(); }
uint32_t hil_platform_stack_free_min(void) { return hil::stack_free_min(); }

/* There is no heap: the linker script leaves it no place. */
uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }

/* The factory's MAC address, as esptool reads it. */
size_t hil_platform_uid(uint8_t* buf, size_t max) {
  const uint32_t kEfuseMacLow = 0x60008844, kEfuseMacHigh = 0x60008848;
  const uint32_t low = reg(kEfuseMacLow), high = reg(kEfuseMacHigh);
  const uint8_t mac[6] = {static_cast<uint8_t>(high >> 8), static_cast<uint8_t>(high),     static_cast<uint8_t>(low >> 24),
                          static_cast<uint8_t>(low >> 16), static_cast<uint8_t>(low >> 8), static_cast<uint8_t>(low)};
  const size_t n = max < sizeof(mac) ? max : sizeof(mac);
  memcpy(buf, mac, n);
  return n;
}
