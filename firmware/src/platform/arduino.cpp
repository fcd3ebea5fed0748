/* Any Arduino core: Serial for bytes, `#if` only where cores differ. Proved on the AVR core (ATmega2560 in simavr); the ESP32, ESP8266, ARM
 * and RP2040 branches follow those cores' documentation and are not yet tried on a chip.
 *
 * On AVR this file takes timer 1 (no Servo, no PWM on its pins), and it takes the watchdog to reset the chip.
 */
#include "hil_platform.h"

#include <Arduino.h>
#include <string.h>

#include "hil_build_config.h"
#include "hil_protocol_ids.h"

#if defined(ARDUINO_ARCH_AVR)
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/wdt.h>
#elif defined(ARDUINO_ARCH_ESP32)
#include <esp_attr.h>
#include <esp_system.h>
#include <soc/soc_memory_layout.h>
#endif

namespace {

const uint32_t kGiveUpMs = 1000;

/* In memory that keeps its content over a reset; garbage after power-on, hence the magic number. */
struct Noinit {
  uint32_t magic;
  uint32_t boot_count;
  uint8_t rebooting; /* the firmware itself asked for the reset under way */
};
const uint32_t kNoinitMagic = 0x48494C31UL;

#if defined(ARDUINO_ARCH_ESP32)
#define HIL_HAS_NOINIT 1
RTC_NOINIT_ATTR Noinit noinit;
#elif defined(ARDUINO_ARCH_AVR)
#define HIL_HAS_NOINIT 1
Noinit noinit __attribute__((section(".noinit")));
#endif

uint8_t reset_reason = HIL_RESET_UNKNOWN;

}  // namespace

/* --- What only AVR has: reset flags, painted stack, cycle counter ---------------------------------------------------------------- */

#if defined(ARDUINO_ARCH_AVR)

/* The core's ring holds one byte less than its size. */
static_assert(SERIAL_RX_BUFFER_SIZE > HIL_RX_RING_BYTES, "SERIAL_RX_BUFFER_SIZE (platformio.ini) must be more than HIL_RX_RING_BYTES");

extern "C" {
extern uint8_t __heap_start; /* end of static memory, from the linker */
uint8_t hil_mcusr __attribute__((section(".noinit")));
void hil_before_main(void) __attribute__((naked, used, section(".init3")));
}

namespace {

const uint8_t kStackPaint = 0xC5;
volatile uint16_t timer1_high;

}  // namespace

/* Runs right after reset, before static memory is set up, on no stack. The watchdog stays on, at its shortest time, through a watchdog
 * reset: it must be stopped here. A boot loader may have cleared MCUSR before: then the reason is told from `noinit` alone. */
void hil_before_main(void) {
  hil_mcusr = MCUSR;
  MCUSR = 0;
  wdt_disable();
  for (volatile uint8_t* to = &__heap_start; to <= reinterpret_cast<uint8_t*>(RAMEND); ++to) *to = kStackPaint;
}

ISR(TIMER1_OVF_vect) { timer1_high = timer1_high + 1; }

/* Timer 1 counts CPU cycles; its overflow interrupt makes the upper half. An overflow not served yet shows in its flag. */
uint32_t hil_platform_ticks(void) {
  const uint8_t sreg = SREG;
  cli();
  uint16_t high = timer1_high;
  const uint16_t low = TCNT1;
  if ((TIFR1 & _BV(TOV1)) && low < 0x8000u) ++high;
  SREG = sreg;
  return (static_cast<uint32_t>(high) << 16) | low;
}

static void start_ticks() {
  TCCR1A = 0; /* the core had set it up for PWM */
  TCCR1B = _BV(CS10);
  TCNT1 = 0;
  TIFR1 = _BV(TOV1);
  TIMSK1 = _BV(TOIE1);
}

uint32_t hil_platform_tick_hz(void) { return F_CPU; }
uint32_t hil_platform_cpu_hz(void) { return F_CPU; }

static uint8_t chip_reset_reason(bool was_rebooting, bool ram_kept) {
  if (was_rebooting) return HIL_RESET_SOFTWARE;
  if (hil_mcusr & _BV(PORF)) return HIL_RESET_POWER_ON;
  if (hil_mcusr & _BV(WDRF)) return HIL_RESET_WATCHDOG;
  if (hil_mcusr & _BV(BORF)) return HIL_RESET_BROWN_OUT;
  if (hil_mcusr & _BV(EXTRF)) return HIL_RESET_EXTERNAL;
  return ram_kept ? HIL_RESET_UNKNOWN : HIL_RESET_POWER_ON;
}

static void reset_chip() {
  cli();
  wdt_enable(WDTO_15MS);
  for (;;) {
  }
}

uint32_t hil_platform_stack_bytes(void) { return static_cast<uint32_t>(RAMEND + 1 - reinterpret_cast<uint16_t>(&__heap_start)); }

uint32_t hil_platform_stack_free_min(void) {
  const uint8_t* at = &__heap_start;
  while (at <= reinterpret_cast<const uint8_t*>(RAMEND) && *at == kStackPaint) ++at;
  return static_cast<uint32_t>(at - &__heap_start);
}

/* Nothing here uses the heap; it would grow into the same memory as the stack. */
uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }
size_t hil_platform_uid(uint8_t*, size_t) { return 0; }

/* The core's indices are 16 bits wide with a buffer of more than 256 bytes, which its receive interrupt can tear. */
static int read_byte() {
  const uint8_t sreg = SREG;
  cli();
  const int byte = Serial.read();
  SREG = sreg;
  return byte;
}

#else /* --- Every other core ------------------------------------------------------------------------------------------------------- */

static int read_byte() { return Serial.read(); }
static void start_ticks() {}

#if defined(ARDUINO_ARCH_ESP32) || defined(ARDUINO_ARCH_ESP8266)

/* ESP32: the session runs in the one loop task, which stays on its core, whose counter this is. */
uint32_t hil_platform_ticks(void) { return ESP.getCycleCount(); }
uint32_t hil_platform_tick_hz(void) { return ESP.getCpuFreqMHz() * 1000000UL; }
uint32_t hil_platform_cpu_hz(void) { return ESP.getCpuFreqMHz() * 1000000UL; }
static void reset_chip() {
  ESP.restart();
  for (;;) {
  }
}

#else

uint32_t hil_platform_ticks(void) { return micros(); }
uint32_t hil_platform_tick_hz(void) { return 1000000UL; }
#if defined(F_CPU)
uint32_t hil_platform_cpu_hz(void) { return F_CPU; }
#else
uint32_t hil_platform_cpu_hz(void) { return 0; }
#endif
static void reset_chip() {
#if defined(ARDUINO_ARCH_RP2040) && !defined(ARDUINO_ARCH_MBED)
  rp2040.reboot();
#else
  NVIC_SystemReset();
#endif
  for (;;) {
  }
}

#endif

#if defined(ARDUINO_ARCH_ESP32)

static uint8_t chip_reset_reason(bool was_rebooting, bool) {
  switch (esp_reset_reason()) {
    case ESP_RST_POWERON:
      return HIL_RESET_POWER_ON;
    case ESP_RST_EXT:
      return HIL_RESET_EXTERNAL;
    case ESP_RST_SW:
      return was_rebooting ? HIL_RESET_SOFTWARE : HIL_RESET_UNKNOWN;
    case ESP_RST_PANIC:
      return HIL_RESET_FAULT;
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT:
      return HIL_RESET_WATCHDOG;
    case ESP_RST_BROWNOUT:
      return HIL_RESET_BROWN_OUT;
    default:
      return HIL_RESET_UNKNOWN;
  }
}

/* FreeRTOS counts in bytes here. The loop task is the caller. */
uint32_t hil_platform_stack_bytes(void) { return getArduinoLoopTaskStackSize(); }
uint32_t hil_platform_stack_free_min(void) { return uxTaskGetStackHighWaterMark(NULL); }
uint32_t hil_platform_heap_free_min(void) { return ESP.getMinFreeHeap(); }

/* Only boards with a PSRAM chip have a choice. */
uint8_t hil_platform_memory_kind(const void* address) {
  if (!psramFound()) return 0;
  return esp_ptr_external_ram(address) ? HIL_MEMORY_PSRAM : HIL_MEMORY_SRAM;
}

size_t hil_platform_uid(uint8_t* buf, size_t max) {
  const uint64_t mac = ESP.getEfuseMac(); /* the first byte of the address is the lowest */
  const size_t n = max < 6 ? max : 6;
  memcpy(buf, &mac, n);
  return n;
}

#else

static uint8_t chip_reset_reason(bool, bool) { return HIL_RESET_UNKNOWN; }
uint32_t hil_platform_stack_bytes(void) { return UINT32_MAX; }
uint32_t hil_platform_stack_free_min(void) { return UINT32_MAX; }
uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }
size_t hil_platform_uid(uint8_t*, size_t) { return 0; }

#endif
#endif

/* --- The same for every core ------------------------------------------------------------------------------------------------------- */

void hil_platform_init(void) {
#if defined(HIL_HAS_NOINIT)
  const bool ram_kept = noinit.magic == kNoinitMagic;
  const bool was_rebooting = ram_kept && noinit.rebooting == 1;
  noinit.boot_count = ram_kept ? noinit.boot_count + 1 : 1;
  noinit.rebooting = 0;
  noinit.magic = kNoinitMagic;
#else
  const bool ram_kept = false, was_rebooting = false;
#endif
  reset_reason = chip_reset_reason(was_rebooting, ram_kept);
#if defined(ARDUINO_ARCH_ESP32) || defined(ARDUINO_ARCH_ESP8266)
  Serial.setRxBufferSize(HIL_RX_RING_BYTES); /* only before begin */
#endif
  Serial.begin(HIL_BAUD);
  start_ticks();
}

size_t hil_platform_read(uint8_t* buf, size_t max) {
  size_t n = 0;
  while (n < max) {
    const int byte = read_byte();
    if (byte < 0) break;
    buf[n++] = static_cast<uint8_t>(byte);
  }
  return n;
}

/* Offers no more than the core can take, so that a USB port nobody reads can't hold the board up. ESP: the last 128 bytes leave from
 * the UART's own memory while the next inference runs. */
void hil_platform_write(const uint8_t* buf, size_t n) {
  uint32_t since = millis();
  while (n > 0) {
    const int room = Serial.availableForWrite();
    size_t taken = 0;
    if (room > 0) taken = Serial.write(buf, static_cast<size_t>(room) < n ? static_cast<size_t>(room) : n);
    if (taken > 0) {
      buf += taken;
      n -= taken;
      since = millis();
    } else if (millis() - since > kGiveUpMs) {
      return;
    } else {
      yield();
    }
  }
#if !defined(ARDUINO_ARCH_ESP32) && !defined(ARDUINO_ARCH_ESP8266)
  Serial.flush(); /* USB: send a packet that is not full. AVR: no interrupt for a byte sent lands in a measured inference */
#endif
}

/* AVR: the rates that the core's choice of divider (8 samples a bit) comes close to. Others divide a fast clock finely. */
uint8_t hil_platform_baud_supported(uint32_t baud) {
#if defined(ARDUINO_ARCH_AVR)
  if (baud < 1200 || baud > F_CPU / 8) return 0;
  const uint32_t divider = (F_CPU / 4 / baud - 1) / 2 + 1; /* as HardwareSerial::begin */
  const uint32_t made = F_CPU / 8 / divider;
  const uint32_t off = made > baud ? made - baud : baud - made;
  return off <= baud / 40;
#else
  return baud >= 1200 && baud <= 3000000;
#endif
}

void hil_platform_set_baud(uint32_t baud) {
  Serial.flush();
#if defined(ARDUINO_ARCH_ESP32) || defined(ARDUINO_ARCH_ESP8266)
  Serial.updateBaudRate(baud);
#elif defined(ARDUINO_ARCH_AVR)
  Serial.begin(baud); /* sets the registers, keeps the buffers */
#else
  Serial.end();
  Serial.begin(baud);
#endif
}

void hil_platform_reboot(void) {
  Serial.flush();
#if defined(HIL_HAS_NOINIT)
  noinit.rebooting = 1;
#endif
  reset_chip();
}

uint8_t hil_platform_reset_reason(void) { return reset_reason; }

#if defined(HIL_HAS_NOINIT)
uint32_t hil_platform_boot_count(void) { return noinit.boot_count; }
#else
uint32_t hil_platform_boot_count(void) { return 0; }
#endif

/* delay(1) lets the idle task of an RTOS run and so feeds its watchdog; yield alone does not where the idle task has a lower priority. */
void hil_platform_idle(void) {
#if defined(ARDUINO_ARCH_ESP32)
  if (Serial.available() == 0) delay(1);
#else
  yield();
#endif
}

/* The watchdog of an RTOS watches whether its idle task ever runs, which yield alone does not let it on the one core of an ESP32-C3. */
void hil_platform_yield(void) {
#if defined(ARDUINO_ARCH_ESP32)
  const uint32_t kWatchdogShareMs = 1000;
  static uint32_t slept_at;
  if (millis() - slept_at < kWatchdogShareMs) return;
  delay(1);
  slept_at = millis();
#else
  yield();
#endif
}

/* The cores drop what does not fit without a count: the session's CRC and resending show it instead. */
uint32_t hil_platform_rx_overruns(void) { return 0; }
