/* Board `host`: the firmware as a process. Its UART is stdin and stdout, which the harness makes the master end of a pty.
 *
 *   firmware          serve on stdin and stdout; ends, with exit code 0, when the other side is closed
 *   firmware --pty    make a pty, print the path of its other end on stdout and serve there (for use by hand)
 *
 * A reset replaces the process by itself (execve), so RAM is really cleared; bytes waiting in the UART are lost as on a chip.
 * A crash does the same with reset reason FAULT, as a hard fault resets a microcontroller; with HIL_CRASH=exit in the environment
 * the process dies of its signal instead. HIL_RESET_REASON and HIL_BOOT_COUNT carry what survives a reset. */
#if defined(__unix__) && !defined(ARDUINO)

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "hil_build_config.h"
#include "hil_platform.h"
#include "hil_protocol_ids.h"

extern char** environ;

namespace {

const int kIdleMs = 10;
const int kWriteGiveUpMs = 1000;
const int kFaultPauseMs = 50; /* a chip takes time to start; a firmware that crashes while it starts must not eat a core */
const int kBaudPauseMs = 30;  /* what carries our bytes reads them at its own pace; UARTs take their time too */
const uint32_t kBaudMin = 300, kBaudMax = 4000000;
const size_t kStackBytes = 64 * 1024;
const uint8_t kStackPaint = 0xC5;
const int kFaultSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

int g_uart_in = STDIN_FILENO;
int g_uart_out = STDOUT_FILENO;
bool g_peer_stalled; /* the last write gave up: don't wait again before something has gone out */
uint8_t g_reset_reason = HIL_RESET_POWER_ON;
uint32_t g_boot_count = 1;
uintptr_t g_stack_low; /* lowest painted byte */

/* The receive ring, filled while we wait (to read or to write) as an interrupt would fill it. */
uint8_t g_ring[HIL_RX_RING_BYTES];
size_t g_ring_start;
size_t g_ring_used;

/* All that a reset needs, made ready beforehand: a signal handler may not allocate. */
const size_t kArgumentsMax = 8;
const size_t kEnvironmentMax = 512;
char g_command_line[1024];
char* g_arguments[kArgumentsMax + 1];
char* g_environment[kEnvironmentMax + 3];
char g_reason_variable[] = "HIL_RESET_REASON=0";
char g_boots_variable[sizeof "HIL_BOOT_COUNT=4294967295"];
uint8_t g_signal_stack[64 * 1024];

void restart(uint8_t reason) __attribute__((noreturn));

/* Async-signal-safe. */
void restart(uint8_t reason) {
  g_reason_variable[sizeof g_reason_variable - 2] = static_cast<char>('0' + reason);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr); /* exec keeps the mask, and here the signal being handled is blocked */
  execve("/proc/self/exe", g_arguments, g_environment);
  _exit(127);
}

void on_fault(int) { restart(HIL_RESET_FAULT); }

void read_command_line() {
  int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, g_command_line, sizeof g_command_line - 1);
  if (fd >= 0) close(fd);
  size_t end = n < 0 ? 0 : static_cast<size_t>(n);
  size_t count = 0;
  for (size_t i = 0; i < end && count < kArgumentsMax; i += strlen(g_command_line + i) + 1) g_arguments[count++] = g_command_line + i;
}

bool has_argument(const char* wanted) {
  for (char** argument = g_arguments; *argument != nullptr; ++argument) {
    if (strcmp(*argument, wanted) == 0) return true;
  }
  return false;
}

void read_environment() {
  const char* reason = getenv("HIL_RESET_REASON");
  const char* boots = getenv("HIL_BOOT_COUNT");
  if (reason != nullptr && reason[0] >= '0' && reason[0] <= '9' && reason[1] == '\0')
    g_reset_reason = static_cast<uint8_t>(reason[0] - '0');
  if (boots != nullptr) g_boot_count = static_cast<uint32_t>(strtoul(boots, nullptr, 10));
  snprintf(g_boots_variable, sizeof g_boots_variable, "HIL_BOOT_COUNT=%lu", static_cast<unsigned long>(g_boot_count + 1));
  size_t count = 0;
  for (char** variable = environ; *variable != nullptr && count < kEnvironmentMax; ++variable) {
    bool ours = strncmp(*variable, "HIL_RESET_REASON=", 17) == 0 || strncmp(*variable, "HIL_BOOT_COUNT=", 15) == 0;
    if (!ours) g_environment[count++] = *variable;
  }
  g_environment[count++] = g_reason_variable;
  g_environment[count++] = g_boots_variable;
}

void catch_faults() {
  sigset_t faults;
  sigemptyset(&faults);
  for (int fault : kFaultSignals) sigaddset(&faults, fault);
  sigprocmask(SIG_UNBLOCK, &faults, nullptr);
  const char* crash = getenv("HIL_CRASH");
  if (crash != nullptr && strcmp(crash, "exit") == 0) return;
  stack_t stack;
  memset(&stack, 0, sizeof stack);
  stack.ss_sp = g_signal_stack; /* the usual stack may be what overflowed */
  stack.ss_size = sizeof g_signal_stack;
  sigaltstack(&stack, nullptr);
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_fault;
  action.sa_flags = SA_ONSTACK;
  for (int fault : kFaultSignals) sigaction(fault, &action, nullptr);
}

/* The kernel's struct termios2, which has no header that goes with <termios.h>: rates as plain numbers. */
struct Termios2 {
  uint32_t flags[4]; /* input, output, control, local */
  uint8_t line;
  uint8_t characters[19];
  uint32_t input_baud, output_baud;
};

/* A pty carries bytes at any speed; the rate set on it is there for a line-rate model to read. No tty, no rate. */
void note_baud(uint32_t baud) {
#if defined(__linux__)
  const unsigned long kGet = _IOR('T', 0x2A, Termios2), kSet = _IOW('T', 0x2B, Termios2);
  const uint32_t kRateMask = 0x100F | 0x100F << 16, kRateOther = 0x1000 | 0x1000 << 16;
  Termios2 settings;
  if (ioctl(g_uart_out, kGet, &settings) != 0) return;
  settings.flags[2] = (settings.flags[2] & ~kRateMask) | kRateOther;
  settings.input_baud = settings.output_baud = baud;
  ioctl(g_uart_out, kSet, &settings);
#else
  (void)baud;
#endif
}

void fail(const char* what) {
  fprintf(stderr, "host firmware: %s: %s\n", what, strerror(errno));
  _exit(1);
}

/* The descriptors of our own pty survive a reset by number in HIL_PTY_FD, so that the path stays the same. */
void open_own_pty() {
  const char* inherited = getenv("HIL_PTY_FD");
  int master = inherited == nullptr ? -1 : atoi(inherited);
  if (master < 0) {
    master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) fail("can't make a pty");
    const char* path = ptsname(master);
    int slave = path == nullptr ? -1 : open(path, O_RDWR | O_NOCTTY); /* kept open, or reads fail whenever no client is there */
    if (slave < 0) fail("can't open the pty's other end");
    struct termios settings;
    tcgetattr(slave, &settings);
    cfmakeraw(&settings);
    tcsetattr(slave, TCSANOW, &settings);
    char number[12];
    snprintf(number, sizeof number, "%d", master);
    setenv("HIL_PTY_FD", number, 1);
    printf("%s\n", path);
    fflush(stdout);
  }
  g_uart_in = master;
  g_uart_out = master;
}

/* Reads what there is into the ring. Ends the process when the other side is closed: nobody could ever talk to it again. */
void fill_ring() {
  while (g_ring_used < sizeof g_ring) {
    size_t end = (g_ring_start + g_ring_used) % sizeof g_ring;
    size_t room = end < g_ring_start ? g_ring_start - end : sizeof g_ring - end;
    ssize_t n = read(g_uart_in, g_ring + end, room);
    if (n > 0) {
      g_ring_used += static_cast<size_t>(n);
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return;
    } else if (g_ring_used != 0) {
      return; /* what came before the end is still answered */
    } else {
      _exit(0);
    }
  }
}

int64_t now_ms() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

/* Waits for room to write. Takes bytes in meanwhile, so two sides that both write never wait for each other. */
bool wait_for_room(int64_t deadline_ms) {
  for (;;) {
    int64_t left_ms = deadline_ms - now_ms();
    if (left_ms <= 0) return false;
    bool reading = g_ring_used < sizeof g_ring;
    struct pollfd waits[2] = {{g_uart_out, POLLOUT, 0}, {reading ? g_uart_in : -1, POLLIN, 0}};
    if (poll(waits, 2, static_cast<int>(left_ms)) > 0) {
      if (waits[1].revents != 0) fill_ring();
      if (waits[0].revents != 0) return true;
    }
  }
}

/* Below the caller's frame, where its later callees will work. */
__attribute__((noinline)) void paint_stack() {
  volatile uint8_t area[kStackBytes];
  for (size_t i = 0; i < sizeof area; ++i) area[i] = kStackPaint;
  g_stack_low = reinterpret_cast<uintptr_t>(&area[0]);
}

}  // namespace

extern "C" {

void hil_platform_init(void) {
  read_command_line();
  if (has_argument("--pty")) open_own_pty();
  read_environment();
  catch_faults();
  signal(SIGPIPE, SIG_IGN); /* a write then says EPIPE */
  fcntl(g_uart_in, F_SETFL, fcntl(g_uart_in, F_GETFL) | O_NONBLOCK);
  fcntl(g_uart_out, F_SETFL, fcntl(g_uart_out, F_GETFL) | O_NONBLOCK);
  note_baud(HIL_BAUD);
  if (g_reset_reason == HIL_RESET_FAULT) poll(nullptr, 0, kFaultPauseMs);
  if (g_boot_count > 1) {
    do {
      g_ring_used = 0;
      fill_ring(); /* a chip that resets loses what it had received */
    } while (g_ring_used != 0);
  }
  paint_stack();
}

size_t hil_platform_read(uint8_t* buf, size_t max) {
  fill_ring();
  size_t n = 0;
  while (n < max && g_ring_used != 0) {
    buf[n++] = g_ring[g_ring_start];
    g_ring_start = (g_ring_start + 1) % sizeof g_ring;
    --g_ring_used;
  }
  return n;
}

void hil_platform_write(const uint8_t* buf, size_t n) {
  int64_t deadline_ms = now_ms() + (g_peer_stalled ? 0 : kWriteGiveUpMs);
  while (n != 0) {
    ssize_t written = write(g_uart_out, buf, n);
    if (written > 0) {
      buf += written;
      n -= static_cast<size_t>(written);
      g_peer_stalled = false;
      deadline_ms = now_ms() + kWriteGiveUpMs;
    } else if (written < 0 && errno == EINTR) {
      continue;
    } else if (written < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
      _exit(0); /* the other side is closed */
    } else if (!wait_for_room(deadline_ms)) {
      g_peer_stalled = true;
      return;
    }
  }
}

uint8_t hil_platform_baud_supported(uint32_t baud) { return baud >= kBaudMin && baud <= kBaudMax; }

void hil_platform_set_baud(uint32_t baud) {
  poll(nullptr, 0, kBaudPauseMs);
  note_baud(baud);
}

uint32_t hil_platform_ticks(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint32_t>(static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec));
}

uint32_t hil_platform_tick_hz(void) { return 1000000000u; }

uint32_t hil_platform_cpu_hz(void) { return 0; }

void hil_platform_reboot(void) { restart(HIL_RESET_SOFTWARE); }

uint8_t hil_platform_reset_reason(void) { return g_reset_reason; }

uint32_t hil_platform_boot_count(void) { return g_boot_count; }

void hil_platform_idle(void) {
  struct pollfd wait = {g_uart_in, POLLIN, 0};
  poll(&wait, 1, kIdleMs);
}

/* Where a chip's receive interrupt would have come. */
void hil_platform_yield(void) { fill_ring(); }

uint32_t hil_platform_rx_overruns(void) { return 0; } /* the kernel makes the sender wait */

uint32_t hil_platform_stack_bytes(void) { return kStackBytes; }

#if defined(__SANITIZE_ADDRESS__)
__attribute__((no_sanitize_address))
#endif
uint32_t
hil_platform_stack_free_min(void) {
  uint32_t free = 0;
  while (free < kStackBytes && *reinterpret_cast<const volatile uint8_t*>(g_stack_low + free) == kStackPaint) ++free;
  return free;
}

uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }

size_t hil_platform_uid(uint8_t*, size_t) { return 0; }

}  // extern "C"

#endif
