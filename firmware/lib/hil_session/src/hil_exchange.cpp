#include "hil_exchange.h"

#include "hil_bytes.h"
#include "hil_cobs.h"
#include "hil_crc32.h"
#include "hil_platform.h"
#include "hil_test_hooks.h"
#include "hil_writer.h"

namespace hil {

uint8_t g_request[HIL_MAX_FRAME_BYTES];
uint8_t g_reply[HIL_MAX_FRAME_BYTES];

namespace {

/* The order floor never trails the newest request by more than this, so that serial arithmetic stays right however many pure requests
 * pass between two effectful ones. */
const uint16_t kFloorLag = 0x4000;

struct Memory {
  uint32_t session;
  uint32_t last_crc; /* of the last effectful request */
  uint16_t last_seq;
  uint16_t order_floor; /* an effectful request must be newer than this */
  size_t stored_bytes;  /* of the reply to the last effectful request in g_reply; 0: gone */
};
Memory g;

bool is_newer(uint16_t seq, uint16_t than) { return static_cast<int16_t>(static_cast<uint16_t>(seq - than)) > 0; }

void write_checked(uint8_t* frame, size_t n) {
#ifdef HIL_TEST_HOOKS
  if (!test_hook_before_send(frame, n)) return;
#endif
  write_frame(frame, n, hil_platform_write);
#ifdef HIL_TEST_HOOKS
  test_hook_after_send(frame, n);
#endif
}

/* Sends an ERROR built in `frame`; the request's body may be overwritten. */
size_t send_error(uint8_t* frame, const Request& request, uint8_t code, uint32_t detail, const char* text) {
  Writer out(frame + HIL_HEADER_BYTES, kBodyCapacity);
  out.u8(code);
  out.u8(request.type);
  out.u32(detail);
  out.text(text);
  return send_frame(frame, HIL_MSG_ERROR, request.seq, out.size());
}

void remember(const Request& request) {
  g.last_seq = request.seq;
  g.last_crc = request.crc;
  g.order_floor = request.seq;
  g.stored_bytes = 0;
}

void note_pure(const Request& request) {
  uint16_t floor = static_cast<uint16_t>(request.seq - kFloorLag);
  if (!is_newer(floor, g.order_floor)) return;
  g.order_floor = floor;
  g.stored_bytes = 0; /* so old that its seq may soon be a new request's */
}

/* `n` bytes of `frame` answer the request. */
void keep(const Request& request, size_t n) {
  if (request.effectful) g.stored_bytes = n;
}

uint8_t reply_type(const Request& request) { return static_cast<uint8_t>(request.type | HIL_REPLY_BIT); }

}  // namespace

void exchange_begin() { g = Memory(); }

uint32_t session_id() { return g.session; }

void begin_session(const Request& request, uint32_t nonce) {
  g.session = nonce;
  remember(request);
}

bool admit_effectful(const Request& request) {
  if (request.seq == g.last_seq && request.crc == g.last_crc && g.stored_bytes != 0) {
    write_checked(g_reply, g.stored_bytes);
    return false;
  }
  if (!is_newer(request.seq, g.order_floor)) {
    refuse(request, HIL_ERR_OUT_OF_ORDER, g.last_seq);
    return false;
  }
  remember(request);
  return true;
}

bool admit(const Request& request) {
  if (g.session == HIL_NO_SESSION || request.session != g.session) {
    refuse(request, HIL_ERR_NOT_IN_SESSION, g.session);
    return false;
  }
  if (request.effectful) return admit_effectful(request);
  note_pure(request);
  return true;
}

uint8_t* reply_body(const Request& request) {
  if (!request.effectful) g.stored_bytes = 0;
  return g_reply + HIL_HEADER_BYTES;
}

void answer(const Request& request, size_t body_bytes) {
  keep(request, send_frame(request.effectful ? g_reply : g_request, reply_type(request), request.seq, body_bytes));
}

void answer_from_reply(const Request& request, size_t body_bytes) {
  keep(request, send_frame(g_reply, reply_type(request), request.seq, body_bytes));
}

void answer_error(const Request& request, uint8_t code, uint32_t detail, const char* text) {
  keep(request, send_error(request.effectful ? g_reply : g_request, request, code, detail, text));
}

bool has_body_of(const Request& request, size_t bytes) {
  if (request.body_bytes == bytes) return true;
  answer_error(request, HIL_ERR_BAD_LENGTH, bytes);
  return false;
}

void refuse(const Request& request, uint8_t code, uint32_t detail) { send_error(g_request, request, code, detail, ""); }

size_t send_frame(uint8_t* frame, uint8_t type, uint16_t seq, size_t body_bytes) {
  frame[0] = type;
  put_u16(frame + 1, seq);
  put_u32(frame + 3, g.session);
  size_t n = HIL_HEADER_BYTES + body_bytes;
  put_u32(frame + n, crc32(frame, n));
  n += HIL_CRC_BYTES;
  write_checked(frame, n);
  return n;
}

}  // namespace hil
