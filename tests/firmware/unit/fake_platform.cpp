#include "fake_platform.h"

#include <string.h>

#include "check.h"
#include "fake_engine.h"
#include "hil_build_config.h"
#include "hil_crc32.h"
#include "hil_platform.h"
#include "hil_protocol_ids.h"
#include "hil_session.h"

int g_reboots;
uint32_t g_first_tick;
uint32_t g_baud;

namespace {

Bytes g_to_device;
size_t g_taken;
Bytes g_from_device;
uint32_t g_ticks;
bool g_idle;

Bytes cobs_encode(const Bytes& payload) {
  Bytes out(1, 0);
  size_t code = 0;
  for (size_t i = 0; i < payload.size(); ++i) {
    if (payload[i] != 0) out.push_back(payload[i]);
    bool full = out.size() - code == 255;
    if (payload[i] != 0 && !full) continue;
    out[code] = static_cast<uint8_t>(out.size() - code);
    if (full && i + 1 == payload.size()) return out;
    code = out.size();
    out.push_back(0);
  }
  out[code] = static_cast<uint8_t>(out.size() - code);
  return out;
}

bool cobs_decode(const Bytes& encoded, Bytes* payload) {
  size_t i = 0;
  while (i < encoded.size()) {
    size_t code = encoded[i];
    if (i + code > encoded.size()) return false;
    payload->insert(payload->end(), encoded.begin() + static_cast<long>(i) + 1, encoded.begin() + static_cast<long>(i + code));
    i += code;
    if (code != 255 && i < encoded.size()) payload->push_back(0);
  }
  return true;
}

}  // namespace

extern "C" {

void hil_platform_init(void) {}

size_t hil_platform_read(uint8_t* buf, size_t max) {
  size_t n = g_to_device.size() - g_taken;
  if (n > max) n = max;
  if (n != 0) memcpy(buf, g_to_device.data() + g_taken, n);
  g_taken += n;
  return n;
}

void hil_platform_write(const uint8_t* buf, size_t n) { g_from_device.insert(g_from_device.end(), buf, buf + n); }

uint32_t hil_platform_ticks(void) { return g_ticks; }
uint32_t hil_platform_tick_hz(void) { return 16000000; }
uint32_t hil_platform_cpu_hz(void) { return 32000000; }
void hil_platform_reboot(void) { ++g_reboots; }
uint8_t hil_platform_baud_supported(uint32_t baud) { return baud <= 1000000; }
void hil_platform_set_baud(uint32_t baud) { g_baud = baud; }
uint8_t hil_platform_reset_reason(void) { return HIL_RESET_WATCHDOG; }
uint32_t hil_platform_boot_count(void) { return 0x01020304; }
void hil_platform_idle(void) { g_idle = true; }
uint8_t hil_platform_memory_kind(const void*) { return HIL_MEMORY_PSRAM; }
void hil_platform_yield(void) { fake_advance_ticks(kFakeOtherTicks); }
uint32_t hil_platform_rx_overruns(void) { return 5; }
uint32_t hil_platform_stack_bytes(void) { return 1000; }
uint32_t hil_platform_stack_free_min(void) { return 600; }
uint32_t hil_platform_heap_free_min(void) { return UINT32_MAX; }

size_t hil_platform_uid(uint8_t* buf, size_t max) {
  CHECK(max >= 3);
  memcpy(buf, "\xAA\x00\xBB", 3);
  return 3;
}
}

void fake_advance_ticks(uint32_t ticks) { g_ticks += ticks; }

Bytes restart_device() {
  g_engine = FakeEngine{100, 0, -1, 2, 0, 0, 0};
  g_to_device.clear();
  g_taken = 0;
  g_from_device.clear();
  g_reboots = 0;
  g_ticks = g_first_tick;
  g_baud = HIL_BAUD;
  hil::session_begin();
  Bytes said;
  said.swap(g_from_device);
  return said;
}

Bytes said_during(const std::function<void()>& work) {
  g_from_device.clear();
  work();
  return g_from_device;
}

Bytes exchange(const Bytes& sent) {
  g_to_device = sent;
  g_taken = 0;
  g_from_device.clear();
  for (g_idle = false; !g_idle;) hil::session_poll();
  return g_from_device;
}

Bytes frame(uint8_t type, uint16_t seq, uint32_t session, const Bytes& body) {
  Bytes payload(1, type);
  payload.push_back(static_cast<uint8_t>(seq));
  payload.push_back(static_cast<uint8_t>(seq >> 8));
  payload = payload + u32_body(session) + body;
  payload = payload + u32_body(hil::crc32(payload.data(), payload.size()));
  return Bytes(1, 0) + cobs_encode(payload) + Bytes(1, 0);
}

std::vector<Message> messages(const Bytes& received, int* bad) {
  std::vector<Message> found;
  Bytes encoded;
  for (uint8_t byte : received) {
    if (byte != 0) {
      encoded.push_back(byte);
      continue;
    }
    if (encoded.empty()) continue;
    Bytes payload;
    bool good = cobs_decode(encoded, &payload) && payload.size() >= HIL_HEADER_BYTES + HIL_CRC_BYTES;
    encoded.clear();
    size_t n = good ? payload.size() - HIL_CRC_BYTES : 0;
    if (!good || hil::crc32(payload.data(), n) != u32_at(payload, n)) {
      if (bad != nullptr) ++*bad;
      continue;
    }
    CHECK(payload.size() <= HIL_MAX_FRAME_BYTES);
    Message message = {payload[0], static_cast<uint16_t>(payload[1] | payload[2] << 8), u32_at(payload, 3),
                       Bytes(payload.begin() + HIL_HEADER_BYTES, payload.begin() + static_cast<long>(n))};
    found.push_back(message);
  }
  CHECK(encoded.empty()); /* the device ends what it begins */
  return found;
}

Message ask(uint8_t type, uint16_t seq, uint32_t session, const Bytes& body) {
  int bad = 0;
  std::vector<Message> answers = messages(exchange(frame(type, seq, session, body)), &bad);
  CHECK_EQ(bad, 0);
  CHECK_EQ(answers.size(), 1);
  CHECK_EQ(answers[0].seq, seq);
  return answers[0];
}

Bytes hello_body(uint32_t nonce, uint8_t proto_min, uint8_t proto_max) { return u32_body(nonce) + Bytes{proto_min, proto_max}; }

Bytes u32_body(uint32_t value) {
  return Bytes{static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8), static_cast<uint8_t>(value >> 16),
               static_cast<uint8_t>(value >> 24)};
}

Bytes infer_body(uint8_t flags, uint8_t count, float value) {
  Bytes body = {flags, count};
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  for (uint8_t i = 0; i < count; ++i) {
    for (int element = 0; element < 3; ++element) body = body + u32_body(bits);
    body = body + Bytes(2, static_cast<uint8_t>(static_cast<int8_t>(value)));
  }
  return body;
}

Bytes operator+(const Bytes& a, const Bytes& b) {
  Bytes sum(a);
  sum.insert(sum.end(), b.begin(), b.end());
  return sum;
}

uint32_t u32_at(const Bytes& bytes, size_t offset) {
  CHECK(offset + 4 <= bytes.size());
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= static_cast<uint32_t>(bytes[offset + i]) << (8 * i);
  return value;
}

float f32_at(const Bytes& bytes, size_t offset) {
  uint32_t bits = u32_at(bytes, offset);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static bool find_tlv(const Bytes& body, size_t offset, uint8_t tag, int nth, Bytes* value) {
  bool found = false;
  while (offset < body.size()) {
    CHECK(offset + 2 <= body.size());
    size_t end = offset + 2 + body[offset + 1];
    CHECK(end <= body.size());
    if (body[offset] == tag && nth-- == 0) {
      *value = Bytes(body.begin() + static_cast<long>(offset) + 2, body.begin() + static_cast<long>(end));
      found = true;
    }
    offset = end;
  }
  return found;
}

Bytes tlv(const Bytes& body, size_t offset, uint8_t tag, int nth) {
  Bytes value;
  CHECK(find_tlv(body, offset, tag, nth, &value));
  return value;
}

bool has_tlv(const Bytes& body, size_t offset, uint8_t tag) {
  Bytes value;
  return find_tlv(body, offset, tag, 0, &value);
}

void check_error(const Message& answer, uint8_t code, uint8_t request_type, uint32_t detail) {
  CHECK_EQ(answer.type, HIL_MSG_ERROR);
  CHECK(answer.body.size() >= 6);
  CHECK_EQ(answer.body[0], code);
  CHECK_EQ(answer.body[1], request_type);
  CHECK_EQ(u32_at(answer.body, 2), detail);
}
