/* The test program for an ATmega2560: greets, then echoes from a 256-byte ring as a sketch does. 'R' lets the watchdog bite, 'M' tells
 * MCUSR as it was at boot, 'B' the boots since power-on (they are counted in RAM that no start-up code clears), 'X' leaves the flash,
 * 'S' from now on sleeps while there is nothing to do. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/wdt.h>
#include <stdint.h>

static volatile uint8_t ring[256];
static volatile uint8_t head;
static uint8_t tail;
static uint8_t boots __attribute__((section(".noinit")));

ISR(USART0_RX_vect) { ring[head++] = UDR0; }

static void put(uint8_t c) {
  while (!(UCSR0A & _BV(UDRE0))) {
  }
  UDR0 = c;
}

int main(void) {
  const char* greeting = "hello\n";
  uint8_t cause = MCUSR, sleeps = 0;
  MCUSR = 0;
  wdt_disable();
  boots = cause & _BV(PORF) ? 1 : boots + 1;
  UBRR0 = 16; /* 115200 at 16 MHz, U2X */
  UCSR0A = _BV(U2X0);
  UCSR0B = _BV(RXEN0) | _BV(TXEN0) | _BV(RXCIE0);
  while (*greeting) put(*greeting++);
  sei();
  for (;;) {
    if (head == tail) {
      if (sleeps) sleep_mode();
      continue;
    }
    uint8_t c = ring[tail++];
    if (c == 'R') {
      wdt_enable(WDTO_15MS);
      for (;;) {
      }
    }
    if (c == 'M') c = cause;
    if (c == 'B') c = boots;
    if (c == 'S') sleeps = 1;
    if (c == 'X') ((void (*)(void))0x1F000)();
    put(c);
  }
}
