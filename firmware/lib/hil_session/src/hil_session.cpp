#include "hil_session.h"

#include "hil_build_config.h"
#include "hil_bytes.h"
#include "hil_describe.h"
#include "hil_engine_requests.h"
#include "hil_exchange.h"
#include "hil_line_requests.h"
#include "hil_platform.h"
#include "hil_protocol_ids.h"
#include "hil_receiver.h"
#include "hil_test_hooks.h"
#include "hil_writer.h"

/* Defaults of the porting surface's optional functions. */
extern "C" {
__attribute__((weak)) void hil_platform_yield(void) {}
__attribute__((weak)) uint8_t hil_platform_baud_supported(uint32_t) { return 0; }
__attribute__((weak)) void hil_platform_set_baud(uint32_t) {}
__attribute__((weak)) uint8_t hil_platform_memory_kind(const void*) { return 0; }
}

namespace hil {
namespace {

static_assert(HIL_MAX_FRAME_BYTES >= 128 && HIL_MAX_FRAME_BYTES <= 0xFFFF, "INFO must fit, and its LIMITS has 16 bits");

const size_t kHelloBytes = 6;

#if defined(__AVR__)
enum { kChunkBytes = 16, kLogTextMax = 64 };
#else
enum { kChunkBytes = 64, kLogTextMax = 200 };
#endif

Receiver g_receiver;

void handle_hello(const Request& request) {
  if (request.body_bytes != kHelloBytes) {
    refuse(request, HIL_ERR_BAD_LENGTH, kHelloBytes);
    return;
  }
  uint32_t nonce = get_u32(request.body);
  if (nonce == HIL_NO_SESSION) {
    refuse(request, HIL_ERR_UNSUPPORTED, HIL_NO_SESSION);
    return;
  }
  uint8_t proto_min = request.body[4];
  uint8_t proto_max = request.body[5];
  if (proto_min > HIL_PROTOCOL_VERSION || proto_max < HIL_PROTOCOL_VERSION) {
    refuse(request, HIL_ERR_VERSION, HIL_PROTOCOL_VERSION | HIL_PROTOCOL_VERSION << 8);
    return;
  }
  if (nonce == session_id()) {
    if (!admit_effectful(request)) return;
  } else {
    begin_session(request, nonce);
    g_receiver.restart_counts(); /* what a boot or the last host left on the line is no fault of this session */
    clear_state();               /* the next host starts from zeros, whatever the last one left */
  }
  answer(request, write_info(reply_body(request), kBodyCapacity, nonce, engine_status()));
}

void execute(const Request& request) {
  switch (request.type) {
    case HIL_MSG_PING:
#ifdef HIL_TEST_HOOKS
      test_hook_ping(request.body, request.body_bytes);
#endif
      answer(request, request.body_bytes); /* the body is in place already */
      return;
    case HIL_MSG_INFER:
      handle_infer(request);
      return;
    case HIL_MSG_SET_ARENA:
      handle_set_arena(request);
      return;
    case HIL_MSG_RESET_STATE:
      if (!has_body_of(request, 0)) return;
      clear_state();
      answer(request, 0);
      return;
    case HIL_MSG_REBOOT:
      if (!has_body_of(request, 0)) return;
      answer(request, 0);
      hil_platform_reboot();
      return;
    case HIL_MSG_STATS:
      if (!has_body_of(request, 0)) return;
      answer(request, write_stats(g_request + HIL_HEADER_BYTES, kBodyCapacity, engine_status(), g_receiver));
      return;
    case HIL_MSG_LAYER_TRACE:
      handle_layer_trace(request);
      return;
    case HIL_MSG_BAUD:
      handle_baud(request);
      return;
    case HIL_MSG_LINK_TEST:
      handle_link_test(request);
      return;
    default:
      answer_error(request, HIL_ERR_UNKNOWN_TYPE, request.type);
      return;
  }
}

bool is_effectful(const Request& request) {
  switch (request.type) {
    case HIL_MSG_SET_ARENA:
    case HIL_MSG_RESET_STATE:
    case HIL_MSG_REBOOT:
      return true;
    case HIL_MSG_INFER:
      return request.body_bytes != 0 && (request.body[0] & HIL_INFER_FLAG_KEEP_STATE) != 0;
    default:
      return false;
  }
}

/* Answers the frame in g_request. */
void handle_frame() {
  Request request;
  request.type = g_request[0];
  request.seq = get_u16(g_request + 1);
  request.session = get_u32(g_request + 3);
  request.crc = g_receiver.crc();
  request.body = g_request + HIL_HEADER_BYTES;
  request.body_bytes = g_receiver.size() - HIL_HEADER_BYTES;
  /* A reply or an unsolicited message: this device's own, back from a line that echoes. An answer would go round for ever. */
  if ((request.type & HIL_REPLY_BIT) != 0 || request.seq == 0) return;
  if (request.type == HIL_MSG_HELLO) {
    request.effectful = true;
    handle_hello(request);
    return;
  }
  request.effectful = is_effectful(request);
  if (admit(request)) execute(request);
}

/* Before the engine starts: if that crashes, the host still learns of this boot and of the reason for it. */
void announce_boot() {
  uint8_t frame[HIL_HEADER_BYTES + 5 + HIL_CRC_BYTES];
  frame[HIL_HEADER_BYTES] = hil_platform_reset_reason();
  put_u32(frame + HIL_HEADER_BYTES + 1, hil_platform_boot_count());
  send_frame(frame, HIL_MSG_BOOT, 0, 5);
}

}  // namespace

void session_begin() {
  hil_platform_init();
  exchange_begin();
  line_begin();
  g_receiver.begin(g_request, sizeof g_request);
  engine_requests_begin();
  announce_boot();
  start_engine(ARENA_SIZE);
}

void session_poll() {
  uint8_t chunk[kChunkBytes];
  size_t n = hil_platform_read(chunk, sizeof chunk);
  if (n == 0) hil_platform_idle();
  for (size_t i = 0; i < n; ++i) {
    if (line_test_takes(chunk[i])) continue;
    if (g_receiver.feed(chunk[i])) {
      handle_frame();
      line_renew_lease();
    }
  }
  line_watch(n != 0);
}

void session_log(uint8_t level, const char* text) {
  uint8_t frame[HIL_HEADER_BYTES + 1 + kLogTextMax + HIL_CRC_BYTES];
  Writer out(frame + HIL_HEADER_BYTES, 1 + kLogTextMax);
  out.u8(level);
  out.text(text);
  send_frame(frame, HIL_MSG_LOG, 0, out.size());
}

}  // namespace hil
