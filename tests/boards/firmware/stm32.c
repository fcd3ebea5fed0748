/* The test program for QEMU's netduinoplus2: greets, then echoes. 'R' resets the chip by itself. */
#include <stdint.h>

#define REG(address) (*(volatile uint32_t*)(address))
#define USART1_SR REG(0x40011000)
#define USART1_DR REG(0x40011004)
#define USART1_CR1 REG(0x4001100C)
#define AIRCR REG(0xE000ED0C)

void start(void);
__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {(void (*)(void))0x20020000, start};

static void put(char c) {
  while (!(USART1_SR & 0x80)) {
  }
  USART1_DR = (uint8_t)c;
}

void start(void) {
  const char* greeting = "hello\n";
  USART1_CR1 = 0x200C; /* UE, TE, RE */
  while (*greeting) put(*greeting++);
  for (;;) {
    if (!(USART1_SR & 0x20)) continue;
    char c = (char)USART1_DR;
    if (c == 'R') AIRCR = 0x05FA0004;
    put(c);
  }
}
