/* Runs an AVR program in libsimavr with UART0 on standard input and output, which may be a pty.
 *
 *   simavr_runner MCU CPU_HZ BAUD firmware.elf
 *
 * Bytes enter the UART at the line's own rate in simulated time (10 bits each at BAUD), so the sketch's receive ring fills as on a real
 * board. Simulated time runs as fast as the computer allows while there is something to do, and no faster than real time once the program
 * is idle. SIGUSR1 presses the reset button: RAM keeps its content, MCUSR says EXTRF. Ends at end of file on standard input.
 *
 * Built by the harness (harness/boards/simavr_runner.py) on first use: cc -O2 simavr_runner.c -lsimavr -lelf
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  kExitUsage = 64,
  kExitBadElf = 65,
  kExitUnknownMcu = 66,
  kExitCrashed = 70,  /* the program left its flash or RAM, or met an unknown opcode */
  kExitStopped = 71,  /* the program went to sleep for good: interrupts off */
  kExitLineGone = 74, /* the other end of the line is closed */
};

/* Quiet wall time after which the program counts as idle. A program that executes SLEEP says itself when it has nothing to do. For one that
 * never sleeps the only sign is silence: short after an answer, long after a request, which may take its time to compute. */
static const int64_t kIdleAsleepNs = 2000000;
static const int64_t kIdleAfterOutputNs = 500000000;
static const int64_t kIdleAfterInputNs = 5000000000;
static const int64_t kAheadNs = 1000000; /* do not bother to sleep for less */

static struct {
  int in_fd, out_fd; /* the line */
  avr_t* avr;
  avr_irq_t* uart_in;
  void (*core_reset)(avr_t*); /* the MCU's own reset hook */
  int may_send;               /* UART's XON/XOFF: its input FIFO has room */
  int line_gone;
  unsigned char in[4096];
  size_t in_next, in_end;
  unsigned char out[65536];
  size_t out_used;
  avr_cycle_count_t last_out_cycle;
  int64_t last_io_ns;
  int last_io_was_input;
  int slept;        /* SLEEP executed since the last reset */
  int slept_lately; /* ... since the last pump */
  int throttled;
  int64_t anchor_ns; /* wall and simulated time when throttling began */
  avr_cycle_count_t anchor_cycle;
} sim;

static volatile sig_atomic_t reset_pressed;

static void on_sigusr1(int signal_number) {
  (void)signal_number;
  reset_pressed = 1;
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void note_io(int was_input) {
  sim.last_io_ns = now_ns();
  sim.last_io_was_input = was_input;
  sim.throttled = 0;
}

static void flush_out(void) {
  size_t done = 0;
  while (done < sim.out_used) {
    ssize_t n = write(sim.out_fd, sim.out + done, sim.out_used - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (n < 0 && errno != EAGAIN) sim.line_gone = 1;
      break;
    }
    done += (size_t)n;
  }
  if (done) {
    memmove(sim.out, sim.out + done, sim.out_used - done);
    sim.out_used -= done;
  }
}

static void on_uart_out(struct avr_irq_t* irq, uint32_t value, void* param) {
  (void)irq;
  (void)param;
  /* A host that takes nothing loses bytes, as on a real line; waiting for it here could make both sides wait for ever. */
  if (sim.out_used < sizeof sim.out) sim.out[sim.out_used++] = (unsigned char)value;
  sim.last_out_cycle = sim.avr->cycle;
  note_io(0);
}

static void on_uart_xon(struct avr_irq_t* irq, uint32_t value, void* param) {
  (void)irq;
  (void)value;
  (void)param;
  sim.may_send = 1;
}

static void on_uart_xoff(struct avr_irq_t* irq, uint32_t value, void* param) {
  (void)irq;
  (void)value;
  (void)param;
  sim.may_send = 0;
}

/* simavr skips the simulated time of a sleep by itself; whether that costs wall time too is decided in throttle(). */
static void on_cpu_sleep(avr_t* avr, avr_cycle_count_t cycles) {
  (void)avr;
  (void)cycles;
  sim.slept = sim.slept_lately = 1;
}

/* Called by simavr at every reset, the watchdog's too. */
static void on_reset(avr_t* avr) {
  if (sim.core_reset) sim.core_reset(avr);
  sim.may_send = 1; /* the UART's FIFO is empty again, and it does not say so */
  sim.slept = sim.slept_lately = 0;
}

/* Everything simavr has to say goes to standard error; standard output is the line. */
static void log_to_stderr(struct avr_t* avr, const int level, const char* format, va_list args) {
  (void)avr;
  if (level <= LOG_WARNING) vfprintf(stderr, format, args);
}

static void take_input(void) {
  if (sim.in_next < sim.in_end) return;
  ssize_t n = read(sim.in_fd, sim.in, sizeof sim.in);
  if (n > 0) {
    sim.in_next = 0;
    sim.in_end = (size_t)n;
    note_io(1);
  } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
    sim.line_gone = 1; /* a pty master reads EIO once nobody has the other side open */
  }
}

static void throttle(void) {
  int64_t now = now_ns();
  int64_t limit = sim.slept               ? (sim.slept_lately ? kIdleAsleepNs : INT64_MAX)
                  : sim.last_io_was_input ? kIdleAfterInputNs
                                          : kIdleAfterOutputNs;
  sim.slept_lately = 0;
  if (now - sim.last_io_ns < limit) return;
  if (!sim.throttled) {
    sim.throttled = 1;
    sim.anchor_ns = now;
    sim.anchor_cycle = sim.avr->cycle;
  }
  int64_t simulated_ns = (int64_t)((double)(sim.avr->cycle - sim.anchor_cycle) * 1e9 / (double)sim.avr->frequency);
  int64_t ahead_ns = simulated_ns - (now - sim.anchor_ns);
  if (ahead_ns < kAheadNs) return;
  struct timespec wait = {.tv_sec = ahead_ns / 1000000000, .tv_nsec = ahead_ns % 1000000000};
  struct pollfd line = {.fd = sim.in_fd, .events = POLLIN};
  ppoll(&line, 1, &wait, NULL); /* a byte or a signal ends it early */
}

static void connect_uart(void) {
  uint32_t flags = 0;
  avr_ioctl(sim.avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
  flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
  avr_ioctl(sim.avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
  sim.uart_in = avr_io_getirq(sim.avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
  avr_irq_register_notify(avr_io_getirq(sim.avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_uart_out, NULL);
  avr_irq_register_notify(avr_io_getirq(sim.avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_uart_xon, NULL);
  avr_irq_register_notify(avr_io_getirq(sim.avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), on_uart_xoff, NULL);
}

/* Runs until the program or the line ends. */
static int run(avr_cycle_count_t cycles_per_byte) {
  avr_cycle_count_t next_pump = 0;
  for (;;) {
    int state = avr_run(sim.avr);
    if (state == cpu_Crashed) {
      fprintf(stderr, "the program crashed at pc 0x%05x, sp 0x%04x\n", (unsigned)sim.avr->pc,
              (unsigned)(sim.avr->data[R_SPL] | sim.avr->data[R_SPH] << 8));
      flush_out();
      return kExitCrashed;
    }
    if (state == cpu_Done) {
      fprintf(stderr, "the program went to sleep with interrupts off at pc 0x%05x\n", (unsigned)sim.avr->pc);
      flush_out();
      return kExitStopped;
    }
    if (sim.avr->cycle < next_pump) continue;
    next_pump = sim.avr->cycle + cycles_per_byte;
    /* Input first: what the host wrote after asking for a reset must reach the new boot. */
    take_input();
    if (reset_pressed) {
      reset_pressed = 0;
      avr_reset(sim.avr);
      avr_regbit_set(sim.avr, sim.avr->reset_flags.extrf);
      note_io(1);
    }
    if (sim.may_send && sim.in_next < sim.in_end) avr_raise_irq(sim.uart_in, sim.in[sim.in_next++]);
    /* One write per burst, not per byte: wait until the line has been quiet for two bytes. */
    if (sim.out_used && (sim.out_used >= 128 || sim.avr->cycle - sim.last_out_cycle > 2 * cycles_per_byte)) flush_out();
    if (sim.line_gone) return kExitLineGone;
    if (sim.in_next == sim.in_end && !sim.out_used) throttle();
  }
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s MCU CPU_HZ BAUD firmware.elf\n", argv[0]);
    return kExitUsage;
  }
  long cpu_hz = atol(argv[2]), baud = atol(argv[3]);
  if (cpu_hz <= 0 || baud <= 0) {
    fprintf(stderr, "CPU_HZ and BAUD are positive numbers\n");
    return kExitUsage;
  }
  /* The line gets descriptors of its own and everything printed goes to standard error: libraries print what they like. */
  sim.in_fd = dup(STDIN_FILENO);
  sim.out_fd = dup(STDOUT_FILENO);
  if (sim.in_fd < 0 || sim.out_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || fcntl(sim.in_fd, F_SETFL, O_NONBLOCK) < 0 ||
      fcntl(sim.out_fd, F_SETFL, O_NONBLOCK) < 0) {
    perror("standard input or output");
    return kExitUsage;
  }
  avr_global_logger_set(log_to_stderr);
  static elf_firmware_t firmware;
  if (elf_read_firmware(argv[4], &firmware) != 0) {
    fprintf(stderr, "%s is not an AVR ELF file\n", argv[4]);
    return kExitBadElf;
  }
  snprintf(firmware.mmcu, sizeof firmware.mmcu, "%s", argv[1]);
  firmware.frequency = (uint32_t)cpu_hz;
  sim.avr = avr_make_mcu_by_name(firmware.mmcu);
  if (!sim.avr) {
    fprintf(stderr, "simavr has no MCU named %s\n", argv[1]);
    return kExitUnknownMcu;
  }
  sim.core_reset = sim.avr->reset;
  sim.avr->reset = on_reset;
  avr_init(sim.avr);
  avr_load_firmware(sim.avr, &firmware);
  sim.avr->log = LOG_WARNING;
  sim.avr->sleep = on_cpu_sleep;
  connect_uart();
  struct sigaction action = {.sa_handler = on_sigusr1};
  sigaction(SIGUSR1, &action, NULL);
  note_io(1);
  return run((avr_cycle_count_t)(cpu_hz * 10 / baud));
}
