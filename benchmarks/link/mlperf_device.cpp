/* A device that speaks MLPerf Tiny's serial dialect on stdin and stdout, computing nothing: IN_BYTES in, OUTPUTS numbers out.
 * Written from the dialect's description; for comparison only. A line ends with "\r\n", a command with '%'. */
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace {

const size_t kCommandMax = 80;

uint8_t g_buffer[IN_BYTES];
size_t g_expected;
size_t g_loaded;
char g_reply[4096];
size_t g_reply_used;

/* A reply leaves in one piece, as through a UART's buffer. */
void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(g_reply + g_reply_used, sizeof g_reply - g_reply_used, format, arguments);
  va_end(arguments);
  if (n > 0) g_reply_used += static_cast<size_t>(n);
  if (g_reply_used >= sizeof g_reply) g_reply_used = sizeof g_reply - 1;
}

void flush_reply() {
  for (size_t sent = 0; sent < g_reply_used;) {
    ssize_t n = write(STDOUT_FILENO, g_reply + sent, g_reply_used - sent);
    if (n <= 0) _exit(0);
    sent += static_cast<size_t>(n);
  }
  g_reply_used = 0;
}

unsigned long now_us() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<unsigned long>(now.tv_sec) * 1000000ul + static_cast<unsigned long>(now.tv_nsec) / 1000ul;
}

int hex_digit(char c) {
  if (!isxdigit(static_cast<unsigned char>(c))) return -1;
  return isdigit(static_cast<unsigned char>(c)) ? c - '0' : tolower(c) - 'a' + 10;
}

void load_bytes(const char* digits) {
  size_t length = strlen(digits);
  if (length % 2 != 0) {
    say("e-[Insufficent number of hex digits]\r\n");
    return;
  }
  for (size_t i = 0; i < length; i += 2) {
    int high = hex_digit(digits[i]), low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) {
      say("e-[Invalid hex digit '%.2s']\r\n", digits + i);
      return;
    }
    if (g_loaded == g_expected) continue; /* surplus, or before any "db load" */
    g_buffer[g_loaded++] = static_cast<uint8_t>(high << 4 | low);
    if (g_loaded == g_expected) say("m-load-done\r\n");
  }
}

void handle_db(const char* word, const char* argument) {
  if (word == nullptr) {
    say("e-[Command 'db' requires a subcommand]\r\n");
  } else if (strcmp(word, "load") != 0) {
    load_bytes(word);
  } else if (argument == nullptr) {
    say("e-[Command 'db load' requires the # of bytes]\r\n");
  } else {
    long bytes = atol(argument);
    g_loaded = 0;
    g_expected = bytes > 0 && bytes <= IN_BYTES ? static_cast<size_t>(bytes) : 0;
    if (g_expected == 0) {
      say("e-[Command 'db load' must be >0 bytes]\r\n");
    } else {
      say("m-[Expecting %ld bytes]\r\n", bytes);
    }
  }
}

void print_results() {
  unsigned long sum = 0;
  for (uint8_t byte : g_buffer) sum += byte;
  say("m-results-[");
  for (int i = 0; i < OUTPUTS; ++i) say(i == 0 ? "%.3f" : ",%.3f", static_cast<double>(sum % 1000) / 1000);
  say("]\r\n");
}

void handle_infer(const char* times, const char* warmups) {
  int n = times == nullptr ? 1 : atoi(times);
  int w = warmups == nullptr ? 10 : atoi(warmups);
  if (n <= 0 || w < 0) {
    say(n <= 0 ? "e-[Inference iterations must be >0]\r\n" : "e-[Inference warmup must be >=0]\r\n");
    return;
  }
  say("m-warmup-start-%d\r\nm-warmup-done\r\nm-infer-start-%d\r\nm-lap-us-%lu\r\n", w, n, now_us());
  const unsigned long end = now_us() + static_cast<unsigned long>(n + w) * COMPUTE_US;
  while (now_us() < end) {
  }
  say("m-lap-us-%lu\r\nm-infer-done\r\n", now_us());
  print_results();
}

void handle(char* command) {
  char* rest = nullptr;
  const char* word = strtok_r(command, " ", &rest);
  const char* first = strtok_r(nullptr, " ", &rest);
  const char* second = strtok_r(nullptr, " ", &rest);
  if (word == nullptr) {
    say("e-[Unknown command: ]\r\n");
  } else if (strcmp(word, "name") == 0) {
    say("m-name-dut-[host]\r\n");
  } else if (strcmp(word, "profile") == 0) {
    say("m-profile-[ULPMark for tinyML Firmware V0.0.1]\r\nm-model-[kws01]\r\n");
  } else if (strcmp(word, "timestamp") == 0) {
    say("m-lap-us-%lu\r\n", now_us());
  } else if (strcmp(word, "db") == 0) {
    handle_db(first, second);
  } else if (strcmp(word, "infer") == 0) {
    handle_infer(first, second);
  } else if (strcmp(word, "results") == 0) {
    print_results();
  } else {
    say("e-[Unknown command: %s]\r\n", word);
  }
  say("m-ready\r\n");
  flush_reply();
}

}  // namespace

int main() {
  say("m-timestamp-mode-performance\r\nm-lap-us-%lu\r\nm-init-done\r\nm-ready\r\n", now_us());
  flush_reply();
  char command[kCommandMax + 1];
  size_t used = 0;
  char chunk[256];
  for (ssize_t n; (n = read(STDIN_FILENO, chunk, sizeof chunk)) > 0;) {
    for (ssize_t i = 0; i < n; ++i) {
      if (chunk[i] != '%') {
        if (used < kCommandMax) command[used++] = chunk[i];
        continue;
      }
      command[used] = '\0';
      used = 0;
      handle(command);
    }
  }
  return 0;
}
