#include "hil_test_hooks.h"

#ifdef HIL_TEST_HOOKS

#include <string.h>

#include "hil_arena.h"
#include "hil_platform.h"

namespace hil {
namespace {

uint32_t g_silent;
uint32_t g_garble;
uint32_t g_slow_ms;
bool g_pass_next; /* the PONG of the hook itself */
bool g_garbled;

/* True if body is `word`, alone or followed by a space and a number. */
bool matches(const uint8_t* body, size_t n, const char* word, uint32_t* number) {
  size_t length = strlen(word);
  if (n < length || memcmp(body, word, length) != 0) return false;
  *number = 0;
  if (n == length) return true;
  if (body[length] != ' ') return false;
  for (size_t i = length + 1; i < n; ++i) {
    if (body[i] < '0' || body[i] > '9') return false;
    *number = *number * 10 + static_cast<uint32_t>(body[i] - '0');
  }
  return true;
}

void wait_ms(uint32_t ms) {
  uint32_t ticks_per_ms = hil_platform_tick_hz() / 1000;
  for (; ms != 0; --ms) {
    uint32_t start = hil_platform_ticks();
    while (hil_platform_ticks() - start < ticks_per_ms) {
    }
  }
}

void hang() {
  for (volatile uint32_t turns = 0;; turns = turns + 1) {
  }
}

void write_nowhere() {
  volatile uintptr_t address = 64; /* volatile, or the compiler sees through it and refuses */
  *reinterpret_cast<volatile uint32_t*>(address) = 1;
}

#pragma GCC diagnostic push
#if __GNUC__ >= 12
#pragma GCC diagnostic ignored "-Winfinite-recursion"
#endif
__attribute__((noinline)) uint32_t overflow(uint32_t depth) {
  volatile uint8_t frame[1024];
  frame[depth % sizeof frame] = static_cast<uint8_t>(depth);
  return overflow(depth + 1) + frame[(depth + 1) % sizeof frame];
}
#pragma GCC diagnostic pop

}  // namespace

void test_hook_ping(const uint8_t* body, size_t n) {
  uint32_t number;
  if (matches(body, n, "HANG", &number)) hang();
  if (matches(body, n, "CRASH", &number)) __builtin_trap();
  if (matches(body, n, "SEGV", &number)) write_nowhere();
  if (matches(body, n, "OVERFLOW", &number)) g_slow_ms = overflow(0);
  if (matches(body, n, "RESET", &number)) hil_platform_reboot();
  if (matches(body, n, "SILENT", &number)) {
    g_silent = number;
    g_pass_next = true;
  }
  if (matches(body, n, "GARBLE", &number)) {
    g_garble = number;
    g_pass_next = true;
  }
  if (matches(body, n, "SLOW", &number)) g_slow_ms = number;
  if (matches(body, n, "SMASH", &number)) arena_start()[arena_bytes() + number] ^= 0xFF;
  if (matches(body, n, "TEXT", &number)) {
    static const char kLine[] = "console text \x1b[31mwith an escape\r\n";
    hil_platform_write(reinterpret_cast<const uint8_t*>(kLine), sizeof kLine - 1);
  }
}

bool test_hook_before_send(uint8_t* frame, size_t n) {
  wait_ms(g_slow_ms);
  if (g_pass_next) {
    g_pass_next = false;
    return true;
  }
  if (g_silent != 0) {
    --g_silent;
    return false;
  }
  g_garbled = g_garble != 0;
  if (g_garbled) {
    --g_garble;
    frame[n - 1] ^= 0x10;
  }
  return true;
}

void test_hook_after_send(uint8_t* frame, size_t n) {
  if (g_garbled) frame[n - 1] ^= 0x10;
  g_garbled = false;
}

}  // namespace hil

#endif
