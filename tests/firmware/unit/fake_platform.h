/* A board in memory: what the host sends and gets are byte vectors. A host's view of the wire, with a COBS of its own as oracle. */
#ifndef FAKE_PLATFORM_H
#define FAKE_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#include <functional>
#include <vector>

typedef std::vector<uint8_t> Bytes;

struct Message {
  uint8_t type;
  uint16_t seq;
  uint32_t session;
  Bytes body;
};

void fake_advance_ticks(uint32_t ticks);
extern int g_reboots; /* hil_platform_reboot calls since restart_device; here it returns, which a platform's must not */
extern uint32_t g_first_tick;
extern uint32_t g_baud; /* as last set; rates up to 1000000 are supported */

/* A new boot: engine as new, session_begin. Returns what the device said meanwhile. */
Bytes restart_device();

/* Sends raw bytes, lets the device work until it waits, and returns the raw bytes it sent. */
Bytes exchange(const Bytes& sent);

/* What the device sends while `work` runs. */
Bytes said_during(const std::function<void()>& work);

/* Frame and request building, and reading of everything that decodes. `bad` counts what doesn't. */
Bytes frame(uint8_t type, uint16_t seq, uint32_t session, const Bytes& body);
std::vector<Message> messages(const Bytes& received, int* bad = nullptr);

/* Sends one request and returns its one answer; anything else fails the test. */
Message ask(uint8_t type, uint16_t seq, uint32_t session, const Bytes& body);

Bytes hello_body(uint32_t nonce, uint8_t proto_min = 1, uint8_t proto_max = 1);
Bytes u32_body(uint32_t value);
/* INFER body of `count` vectors whose inputs are all `value`. */
Bytes infer_body(uint8_t flags, uint8_t count, float value);
Bytes operator+(const Bytes& a, const Bytes& b);

uint32_t u32_at(const Bytes& bytes, size_t offset);
float f32_at(const Bytes& bytes, size_t offset);
/* Value of the TLV `tag` (its nth occurrence) from `offset` on; fails the test if the TLVs are malformed or it isn't there. */
Bytes tlv(const Bytes& body, size_t offset, uint8_t tag, int nth = 0);
bool has_tlv(const Bytes& body, size_t offset, uint8_t tag);

void check_error(const Message& answer, uint8_t code, uint8_t request_type, uint32_t detail);

#endif
