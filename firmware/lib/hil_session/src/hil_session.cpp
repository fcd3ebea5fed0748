#include "hil_session.h"

#include <string.h>

#include "hil_arena.h"
#include "hil_build_config.h"
#include "hil_bytes.h"
#include "hil_cobs.h"
#include "hil_crc32.h"
#include "hil_describe.h"
#include "hil_engine.h"
#include "hil_line_test.h"
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

/* And of the engine's. */
__attribute__((weak)) uint16_t engine_op_count() { return 0; }
__attribute__((weak)) void engine_run_ops(uint16_t, uint16_t) {}

namespace {

const size_t kBodyCapacity = HIL_MAX_FRAME_BYTES - HIL_HEADER_BYTES - HIL_CRC_BYTES;
static_assert(HIL_MAX_FRAME_BYTES >= 128 && HIL_MAX_FRAME_BYTES <= 0xFFFF, "INFO must fit, and its LIMITS has 16 bits");

const size_t kHelloBytes = 6;
const size_t kInferHeadBytes = 2; /* flags u8, count u8; the same in RESULT */
const size_t kTicksBytes = 4;
const size_t kTraceHeadBytes = 10; /* first_op u16, end_op u16, offset u32, bytes u16 */
const size_t kTracedHeadBytes = 6; /* op_count u16, ticks u32 */
const size_t kBaudBytes = 6;       /* baud u32, lease_ms u16 */
const size_t kLinkTestBytes = 4;   /* down u16, up u16 */
const uint16_t kLinkTestGapMs = 200;

#if defined(__AVR__)
enum { kChunkBytes = 16, kLogTextMax = 64 };
#else
enum { kChunkBytes = 64, kLogTextMax = 200 };
#endif

/* The order floor never trails the newest request by more than this, so that serial arithmetic stays right however many pure requests
 * pass between two effectful ones. */
const uint16_t kFloorLag = 0x4000;

/* Two frame buffers serve everything. Requests are decoded into g_request. g_reply holds the reply to the last effectful request until
 * it can't be asked for again: the host starts nothing else before it has that reply, so a pure request means that it has. Small pure
 * replies are built in g_request, where they overwrite a request that has been read; only RESULT needs g_reply, because it is made
 * while the inputs are still read. */
uint8_t g_request[HIL_MAX_FRAME_BYTES];
uint8_t g_reply[HIL_MAX_FRAME_BYTES];

struct State {
  uint32_t session; /* HIL_NO_SESSION until HELLO */
  EngineStatus engine;
  uint32_t input_bytes; /* of one vector */
  uint32_t output_bytes;
  uint32_t last_crc; /* of the last effectful request */
  uint16_t last_seq;
  uint16_t order_floor; /* an effectful request must be newer than this */
  size_t stored_bytes;  /* of the reply to the last effectful request in g_reply; 0: gone */
  uint32_t baud;
  uint16_t lease_ms; /* a rate other than HIL_BAUD ends after waiting that long for a frame */
  uint16_t test_seq; /* of the LINK_TEST whose pattern is being received */
  uint16_t test_up;
};
State g;
Receiver g_receiver;
LineTest g_line_test;
Stopwatch g_waiting; /* since the last frame, the time spent on answering it not counted */

struct Request {
  uint8_t type;
  uint16_t seq;
  uint32_t session;
  uint32_t crc;
  const uint8_t* body;
  size_t body_bytes;
  bool effectful;
};

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

/* Puts header and CRC around the body_bytes at frame + HIL_HEADER_BYTES and sends them. Returns the frame's bytes. */
size_t send(uint8_t* frame, uint8_t type, uint16_t seq, size_t body_bytes) {
  frame[0] = type;
  put_u16(frame + 1, seq);
  put_u32(frame + 3, g.session);
  size_t n = HIL_HEADER_BYTES + body_bytes;
  put_u32(frame + n, crc32(frame, n));
  n += HIL_CRC_BYTES;
  write_checked(frame, n);
  return n;
}

/* Sends an ERROR built in `frame`; the request's body may be overwritten. */
size_t send_error(uint8_t* frame, const Request& request, uint8_t code, uint32_t detail, const char* text = "") {
  Writer out(frame + HIL_HEADER_BYTES, kBodyCapacity);
  out.u8(code);
  out.u8(request.type);
  out.u32(detail);
  out.text(text);
  return send(frame, HIL_MSG_ERROR, request.seq, out.size());
}

/* The answer to a request that is executed: kept if it is effectful. */
void answer(const Request& request, size_t body_bytes) {
  uint8_t* frame = request.effectful ? g_reply : g_request;
  size_t n = send(frame, static_cast<uint8_t>(request.type | HIL_REPLY_BIT), request.seq, body_bytes);
  if (request.effectful) g.stored_bytes = n;
}

void answer_error(const Request& request, uint8_t code, uint32_t detail, const char* text = "") {
  uint8_t* frame = request.effectful ? g_reply : g_request;
  size_t n = send_error(frame, request, code, detail, text);
  if (request.effectful) g.stored_bytes = n;
}

/* A refusal that leaves no trace: neither the memory of effectful requests nor its stored reply changes. */
void refuse(const Request& request, uint8_t code, uint32_t detail) { send_error(g_request, request, code, detail); }

bool has_no_body(const Request& request) {
  if (request.body_bytes == 0) return true;
  answer_error(request, HIL_ERR_BAD_LENGTH, 0);
  return false;
}

void start_engine(uint32_t bytes) { g.engine = engine_init(arena_prepare(bytes), bytes); }

void remember(const Request& request) {
  g.last_seq = request.seq;
  g.last_crc = request.crc;
  g.order_floor = request.seq;
  g.stored_bytes = 0;
}

/* True if an effectful request is to be executed; else it has been answered. */
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

void note_pure(const Request& request) {
  uint16_t floor = static_cast<uint16_t>(request.seq - kFloorLag);
  if (!is_newer(floor, g.order_floor)) return;
  g.order_floor = floor;
  g.stored_bytes = 0; /* so old that its seq may soon be a new request's */
}

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
  if (nonce == g.session) {
    if (!admit_effectful(request)) return;
  } else {
    g.session = nonce;
    g_receiver.restart_counts(); /* what a boot or the last host left on the line is no fault of this session */
    remember(request);
    if (g.engine.code == 0) engine_reset_state(); /* the next host starts from zeros, whatever the last one left */
  }
  answer(request, write_info(g_reply + HIL_HEADER_BYTES, kBodyCapacity, nonce, g.engine));
}

void set_inputs(const uint8_t* in) {
  for (uint8_t i = 0; i < engine_input_count(); ++i) {
    engine_set_input(i, in);
    in += tensor_bytes(engine_input_info(i));
  }
}

/* Runs one vector. `out` receives ticks and outputs. */
EngineStatus run_vector(const uint8_t* in, bool keep_state, uint8_t* out) {
  if (!keep_state) engine_reset_state();
  set_inputs(in);
  uint32_t start = hil_platform_ticks();
  EngineStatus status = engine_invoke();
  put_u32(out, hil_platform_ticks() - start);
  if (status.code != 0) return status;
  out += kTicksBytes;
  for (uint8_t i = 0; i < engine_output_count(); ++i) {
    engine_get_output(i, out);
    out += tensor_bytes(engine_output_info(i));
  }
  return status;
}

void handle_infer(const Request& request) {
  if (request.body_bytes < kInferHeadBytes) {
    answer_error(request, HIL_ERR_BAD_LENGTH, kInferHeadBytes);
    return;
  }
  uint8_t flags = request.body[0];
  uint8_t count = request.body[1];
  uint8_t unknown = flags & static_cast<uint8_t>(~HIL_INFER_FLAG_KEEP_STATE);
  if (unknown != 0) {
    answer_error(request, HIL_ERR_UNSUPPORTED, unknown);
    return;
  }
  if (g.engine.code != 0) {
    answer_error(request, g.engine.code, g.engine.detail, g.engine.text);
    return;
  }
  /* Divided rather than multiplied: no product here can overflow. */
  size_t given = request.body_bytes - kInferHeadBytes;
  bool right_length = count == 0 ? given == 0 : given % count == 0 && given / count == g.input_bytes;
  if (!right_length) {
    answer_error(request, HIL_ERR_BAD_INPUT, g.input_bytes);
    return;
  }
  const size_t room = kBodyCapacity - kInferHeadBytes;
  uint32_t fitting = g.output_bytes > room ? 0 : static_cast<uint32_t>(room / (g.output_bytes + kTicksBytes));
  if (count > fitting) {
    answer_error(request, HIL_ERR_BAD_LENGTH, kInferHeadBytes + fitting * g.input_bytes);
    return;
  }
  if (!request.effectful) g.stored_bytes = 0; /* RESULT is built where the last effectful reply was */
  uint8_t* out = g_reply + HIL_HEADER_BYTES;
  out[0] = flags;
  out[1] = count;
  out += kInferHeadBytes;
  const uint8_t* in = request.body + kInferHeadBytes;
  for (uint8_t i = 0; i < count; ++i) {
    EngineStatus status = run_vector(in, (flags & HIL_INFER_FLAG_KEEP_STATE) != 0, out);
    if (status.code != 0) {
      answer_error(request, status.code, status.code == HIL_ERR_INVOKE_FAILED ? i : status.detail, status.text);
      return;
    }
    in += g.input_bytes;
    out += kTicksBytes + g.output_bytes;
    hil_platform_yield();
  }
  size_t n = send(g_reply, HIL_MSG_RESULT, request.seq, static_cast<size_t>(out - g_reply) - HIL_HEADER_BYTES);
  if (request.effectful) g.stored_bytes = n;
}

void handle_layer_trace(const Request& request) {
  const uint16_t ops = engine_op_count();
  if (ops == 0) {
    answer_error(request, HIL_ERR_UNSUPPORTED, request.type, "this engine shows no layers");
    return;
  }
  if (request.body_bytes < kTraceHeadBytes) {
    answer_error(request, HIL_ERR_BAD_LENGTH, kTraceHeadBytes + g.input_bytes);
    return;
  }
  if (g.engine.code != 0) {
    answer_error(request, g.engine.code, g.engine.detail, g.engine.text);
    return;
  }
  if (request.body_bytes - kTraceHeadBytes != g.input_bytes) {
    answer_error(request, HIL_ERR_BAD_INPUT, g.input_bytes);
    return;
  }
  const uint16_t first = get_u16(request.body);
  const uint16_t end = get_u16(request.body + 2);
  const uint32_t offset = get_u32(request.body + 4);
  const uint16_t bytes = get_u16(request.body + 8);
  const uint32_t used = engine_arena_used();
  if (first > end || end > ops || offset > used || bytes > used - offset || bytes > kBodyCapacity - kTracedHeadBytes) {
    answer_error(request, HIL_ERR_BAD_LENGTH, kTraceHeadBytes + g.input_bytes, "beyond the ops, the arena or a frame");
    return;
  }
  g.stored_bytes = 0; /* as for RESULT */
  engine_reset_state();
  set_inputs(request.body + kTraceHeadBytes);
  engine_run_ops(0, first);
  const uint32_t start = hil_platform_ticks();
  engine_run_ops(first, end);
  const uint32_t ticks = hil_platform_ticks() - start;
  uint8_t* out = g_reply + HIL_HEADER_BYTES;
  put_u16(out, ops);
  put_u32(out + 2, ticks);
  memcpy(out + kTracedHeadBytes, arena_start() + offset, bytes);
  send(g_reply, HIL_MSG_LAYER_TRACED, request.seq, kTracedHeadBytes + bytes);
}

void handle_set_arena(const Request& request) {
  if (request.body_bytes != 4) {
    answer_error(request, HIL_ERR_BAD_LENGTH, 4);
    return;
  }
  uint32_t bytes = get_u32(request.body);
  if (bytes > HIL_ARENA_CAPACITY) {
    answer_error(request, HIL_ERR_ARENA_TOO_LARGE, HIL_ARENA_CAPACITY);
    return;
  }
  start_engine(bytes);
  if (g.engine.code != 0) {
    answer_error(request, g.engine.code, g.engine.detail, g.engine.text);
    return;
  }
  Writer out(g_reply + HIL_HEADER_BYTES, kBodyCapacity);
  out.u32(HIL_ARENA_CAPACITY);
  out.u32(bytes);
  out.u32(engine_arena_used());
  answer(request, out.size());
}

void change_baud(uint32_t baud) {
  g.baud = baud;
  hil_platform_set_baud(baud);
}

/* Answered at the old rate. Repeated, it does the same again: so it is pure. */
void handle_baud(const Request& request) {
  if (request.body_bytes != kBaudBytes) {
    answer_error(request, HIL_ERR_BAD_LENGTH, kBaudBytes);
    return;
  }
  uint32_t baud = get_u32(request.body);
  if (baud != HIL_BAUD && !hil_platform_baud_supported(baud)) {
    answer_error(request, HIL_ERR_UNSUPPORTED, baud);
    return;
  }
  g.lease_ms = get_u16(request.body + 4);
  answer(request, 4); /* the rate is in place already */
  change_baud(baud);
}

/* LINK_TESTED, and right behind it the pattern the host asked for. */
void answer_link_test() {
  Request request = Request();
  request.type = HIL_MSG_LINK_TEST;
  request.seq = g.test_seq;
  Writer out(g_request + HIL_HEADER_BYTES, kBodyCapacity);
  out.u16(g_line_test.received());
  out.u32(g_line_test.bit_errors());
  answer(request, out.size());
  uint8_t chunk[kChunkBytes];
  for (uint16_t sent = 0; sent < g.test_up;) {
    size_t n = 0;
    while (n < sizeof chunk && sent < g.test_up) chunk[n++] = line_test_pattern(sent++);
    hil_platform_write(chunk, n);
  }
}

void handle_link_test(const Request& request) {
  if (request.body_bytes != kLinkTestBytes) {
    answer_error(request, HIL_ERR_BAD_LENGTH, kLinkTestBytes);
    return;
  }
  g.test_seq = request.seq;
  g.test_up = get_u16(request.body + 2);
  g_line_test.begin(get_u16(request.body));
  if (!g_line_test.running()) answer_link_test();
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
      if (!has_no_body(request)) return;
      if (g.engine.code == 0) engine_reset_state();
      answer(request, 0);
      return;
    case HIL_MSG_REBOOT:
      if (!has_no_body(request)) return;
      answer(request, 0);
      hil_platform_reboot();
      return;
    case HIL_MSG_STATS:
      if (!has_no_body(request)) return;
      answer(request, write_stats(g_request + HIL_HEADER_BYTES, kBodyCapacity, g.engine, g_receiver));
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
  if (g.session == HIL_NO_SESSION || request.session != g.session) {
    refuse(request, HIL_ERR_NOT_IN_SESSION, g.session);
    return;
  }
  if (!request.effectful) {
    note_pure(request);
  } else if (!admit_effectful(request)) {
    return;
  }
  execute(request);
}

/* What only time can end: a rate at which nobody talks to us, a pattern that stopped. */
void watch_line(bool heard) {
  if (g.baud == HIL_BAUD && !g_line_test.running()) return;
  uint32_t waited_ms = g_waiting.elapsed_ms();
  if (g_line_test.running()) {
    if (heard) g_waiting.restart();
    if (heard || waited_ms < kLinkTestGapMs) return;
    g_line_test.stop();
    answer_link_test();
    g_waiting.restart();
  } else if (waited_ms >= g.lease_ms) {
    change_baud(HIL_BAUD);
  }
}

uint32_t add_saturating(uint32_t a, uint32_t b) { return b > UINT32_MAX - a ? UINT32_MAX : a + b; }

void measure_tensors() {
  for (uint8_t i = 0; i < engine_input_count(); ++i) g.input_bytes = add_saturating(g.input_bytes, tensor_bytes(engine_input_info(i)));
  for (uint8_t i = 0; i < engine_output_count(); ++i) g.output_bytes = add_saturating(g.output_bytes, tensor_bytes(engine_output_info(i)));
}

/* Before the engine starts: if that crashes, the host still learns of this boot and of the reason for it. */
void announce_boot() {
  uint8_t frame[HIL_HEADER_BYTES + 5 + HIL_CRC_BYTES];
  frame[HIL_HEADER_BYTES] = hil_platform_reset_reason();
  put_u32(frame + HIL_HEADER_BYTES + 1, hil_platform_boot_count());
  send(frame, HIL_MSG_BOOT, 0, 5);
}

}  // namespace

void session_begin() {
  hil_platform_init();
  memset(&g, 0, sizeof g);
  g.baud = HIL_BAUD;
  g_line_test.stop();
  g_receiver.begin(g_request, sizeof g_request);
  measure_tensors();
  announce_boot();
  start_engine(ARENA_SIZE);
}

void session_poll() {
  uint8_t chunk[kChunkBytes];
  size_t n = hil_platform_read(chunk, sizeof chunk);
  if (n == 0) hil_platform_idle();
  for (size_t i = 0; i < n; ++i) {
    if (g_line_test.running()) {
      if (g_line_test.feed(chunk[i])) answer_link_test();
    } else if (g_receiver.feed(chunk[i])) {
      handle_frame();
      g_waiting.restart();
    }
  }
  watch_line(n != 0);
}

void session_log(uint8_t level, const char* text) {
  uint8_t frame[HIL_HEADER_BYTES + 1 + kLogTextMax + HIL_CRC_BYTES];
  Writer out(frame + HIL_HEADER_BYTES, 1 + kLogTextMax);
  out.u8(level);
  out.text(text);
  send(frame, HIL_MSG_LOG, 0, out.size());
}

}  // namespace hil
