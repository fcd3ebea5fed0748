/* Fuzz target: the receive path and the session of the firmware, on a board in memory.
 *
 * An input is a program: byte 0 says what the rest is.
 *   even: bytes for the line as they are.
 *   odd:  requests, each 5 bytes (type, seq step, session and HELLO choice, body length, fill) and then its body; they are framed and
 *         get their CRC here, so that what is behind the CRC is reached too.
 * Whatever comes, the device must neither break (AddressSanitizer and UndefinedBehaviorSanitizer watch), nor say anything but whole frames
 * with a right CRC, at most one for a request; and a HELLO afterwards must be answered.
 *
 * Nothing here allocates: the sanitizers' heap would take most of the time. With clang libFuzzer drives it, else fuzz_main.cpp. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_engine.h"
#include "hil_build_config.h"
#include "hil_bytes.h"
#include "hil_cobs.h"
#include "hil_crc32.h"
#include "hil_platform.h"
#include "hil_protocol_ids.h"
#include "hil_session.h"

/* fake_engine.cpp tells the fake platform's clock. */
void fake_advance_ticks(uint32_t ticks);

namespace {

const uint32_t kNonce = 0x5EED0001;
const size_t kMostRequests = 16;
const uint32_t kTicksPerSecond = 16000000;
const size_t kBodyCapacity = HIL_MAX_FRAME_BYTES - HIL_HEADER_BYTES - HIL_CRC_BYTES;

struct Buffer {
  uint8_t bytes[1 << 17];
  size_t used;
};

Buffer g_to_device;
Buffer g_from_device;
size_t g_taken;
uint32_t g_ticks;
bool g_idle;
bool g_line_test; /* LINK_TEST makes the device take and send bytes that are no frames */

void require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

void append(Buffer& buffer, const uint8_t* data, size_t n) {
  if (n > sizeof buffer.bytes - buffer.used) n = sizeof buffer.bytes - buffer.used;
  if (n != 0) memcpy(buffer.bytes + buffer.used, data, n);
  buffer.used += n;
}

void to_device(const uint8_t* data, size_t n) { append(g_to_device, data, n); }

void send_frame(uint8_t type, uint16_t seq, uint32_t session, const uint8_t* body, size_t n) {
  uint8_t payload[HIL_MAX_FRAME_BYTES];
  payload[0] = type;
  hil::put_u16(payload + 1, seq);
  hil::put_u32(payload + 3, session);
  if (n != 0) memcpy(payload + HIL_HEADER_BYTES, body, n);
  n += HIL_HEADER_BYTES;
  hil::put_u32(payload + n, hil::crc32(payload, n));
  hil::write_frame(payload, n + HIL_CRC_BYTES, to_device);
}

void send_hello(uint32_t nonce) {
  uint8_t body[6] = {0, 0, 0, 0, 1, 1};
  hil::put_u32(body, nonce);
  send_frame(HIL_MSG_HELLO, 1, 0, body, sizeof body);
}

/* Lets the device work on what was sent until it waits. */
void run_device() {
  g_from_device.used = 0;
  for (g_idle = false; !g_idle;) hil::session_poll();
  g_to_device.used = g_taken = 0;
}

/* Checks that all the device said is frames; returns how many, and the type of the last. */
size_t check_frames(uint8_t* last_type) {
  size_t count = 0;
  uint8_t payload[HIL_MAX_FRAME_BYTES];
  const uint8_t* at = g_from_device.bytes;
  const uint8_t* end = at + g_from_device.used;
  while (at != end) {
    if (*at == 0) {
      ++at;
      continue;
    }
    size_t used = 0;
    bool zero = false;
    while (at != end && *at != 0) {
      if (zero) {
        require(used < sizeof payload, "a frame is too long");
        payload[used++] = 0;
      }
      uint8_t code = *at++;
      for (uint8_t i = 1; i < code; ++i) {
        require(at != end && *at != 0 && used < sizeof payload, "COBS is broken");
        payload[used++] = *at++;
      }
      zero = code != 0xFF;
    }
    require(used >= HIL_HEADER_BYTES + HIL_CRC_BYTES, "a frame is too short");
    require(hil::crc32(payload, used - HIL_CRC_BYTES) == hil::get_u32(payload + used - HIL_CRC_BYTES), "a CRC is wrong");
    require((payload[0] & HIL_REPLY_BIT) != 0, "the device asks");
    *last_type = payload[0];
    ++count;
  }
  return count;
}

size_t send_requests(const uint8_t* data, size_t size) {
  uint16_t seq = 1;
  size_t count = 0;
  for (; size >= 5 && count < kMostRequests; ++count) {
    uint8_t type = data[0] < 0x80 ? static_cast<uint8_t>(data[0] % 12) : data[0];
    if (type == HIL_MSG_LINK_TEST) g_line_test = true;
    seq = static_cast<uint16_t>(seq + static_cast<int8_t>(data[1]) * ((data[2] & 0x80) != 0 ? 257 : 1));
    uint32_t session = (data[2] & 0x0F) == 0 ? 0 : kNonce;
    bool sensible = (data[2] & 0x40) != 0;
    size_t n = data[3] % (kBodyCapacity + 1);
    uint8_t fill = data[4];
    data += 5;
    size -= 5;
    uint8_t body[kBodyCapacity];
    memset(body, fill, sizeof body);
    if (type == HIL_MSG_INFER && sensible) {
      body[0] = fill >> 1;
      body[1] = static_cast<uint8_t>(n % 18);
      n = 2 + static_cast<size_t>(body[1]) * kFakeInputBytes;
      if (n > kBodyCapacity) n = kBodyCapacity;
    } else if (type == HIL_MSG_HELLO && sensible) {
      hil::put_u32(body, kNonce + (fill & 1));
      body[4] = body[5] = 1;
      n = 6;
    } else {
      size_t given = n < size ? n : size;
      if (given != 0) memcpy(body, data, given);
      data += given;
      size -= given;
    }
    if (type == HIL_MSG_LINK_TEST) body[3] = 0; /* 255 bytes back are as good as 65535 */
    send_frame(type, seq, session, body, n);
  }
  return count;
}

}  // namespace

extern "C" {

void hil_platform_init(void) {}

size_t hil_platform_read(uint8_t* buf, size_t max) {
  size_t n = g_to_device.used - g_taken;
  if (n > max) n = max;
  if (n != 0) memcpy(buf, g_to_device.bytes + g_taken, n);
  g_taken += n;
  return n;
}

void hil_platform_write(const uint8_t* buf, size_t n) { append(g_from_device, buf, n); }
uint32_t hil_platform_ticks(void) { return g_ticks; }
uint32_t hil_platform_tick_hz(void) { return kTicksPerSecond; }
uint32_t hil_platform_cpu_hz(void) { return 0; }
void hil_platform_reboot(void) {}
uint8_t hil_platform_reset_reason(void) { return HIL_RESET_WATCHDOG; }
uint32_t hil_platform_boot_count(void) { return 7; }
void hil_platform_idle(void) { g_idle = true; }
uint32_t hil_platform_rx_overruns(void) { return 0; }
uint32_t hil_platform_stack_bytes(void) { return 1000; }
uint32_t hil_platform_stack_free_min(void) { return 600; }
uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }
size_t hil_platform_uid(uint8_t*, size_t) { return 0; }
uint8_t hil_platform_baud_supported(uint32_t baud) { return baud <= 1000000; }
void hil_platform_set_baud(uint32_t) {}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  g_engine = FakeEngine{100, 0, -1, 2, 0, 0, 0};
  g_line_test = false;
  g_to_device.used = g_taken = 0;
  hil::session_begin();
  send_hello(kNonce);
  run_device();
  size_t most = SIZE_MAX;
  if (data[0] % 2 == 0) {
    to_device(data + 1, size - 1);
  } else {
    most = send_requests(data + 1, size - 1);
  }
  run_device();
  uint8_t last = 0;
  if (!g_line_test) require(check_frames(&last) <= most, "more answers than requests");
  /* A test of the line, and a rate that nobody uses, end by themselves. */
  for (int i = 0; i < 4; ++i) {
    fake_advance_ticks(kTicksPerSecond);
    run_device();
  }
  const uint8_t zero = 0;
  to_device(&zero, 1); /* ends whatever the input began */
  run_device();
  send_hello(kNonce + 2);
  run_device();
  require(check_frames(&last) == 1 && last == HIL_MSG_INFO, "HELLO is not answered any more");
  return 0;
}

}  // extern "C"

void fake_advance_ticks(uint32_t ticks) { g_ticks += ticks; }
