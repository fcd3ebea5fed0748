#include "hil_engine_requests.h"

#include <string.h>

#include "hil_arena.h"
#include "hil_bytes.h"
#include "hil_describe.h"
#include "hil_platform.h"
#include "hil_writer.h"

namespace hil {

/* Defaults of the engine's optional functions. */
__attribute__((weak)) uint16_t engine_op_count() { return 0; }
__attribute__((weak)) void engine_run_ops(uint16_t, uint16_t) {}

namespace {

const size_t kInferHeadBytes = 2; /* flags u8, count u8; the same in RESULT */
const size_t kTicksBytes = 4;
const size_t kTraceHeadBytes = 10; /* first_op u16, end_op u16, offset u32, bytes u16 */
const size_t kTracedHeadBytes = 6; /* op_count u16, ticks u32 */

struct Engine {
  EngineStatus status;
  uint32_t input_bytes; /* of one vector */
  uint32_t output_bytes;
};
Engine g;

/* Of `count` tensors together; UINT32_MAX where that does not fit. */
uint32_t vector_bytes(uint8_t count, TensorInfo (*info)(uint8_t)) {
  uint32_t sum = 0;
  for (uint8_t i = 0; i < count; ++i) {
    const uint32_t bytes = tensor_bytes(info(i));
    sum = bytes > UINT32_MAX - sum ? UINT32_MAX : sum + bytes;
  }
  return sum;
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

/* True if the engine is ready; else what it says has been answered. */
bool engine_ready(const Request& request) {
  if (g.status.code == 0) return true;
  answer_error(request, g.status.code, g.status.detail, g.status.text);
  return false;
}

}  // namespace

void engine_requests_begin() {
  g = Engine();
  g.input_bytes = vector_bytes(engine_input_count(), engine_input_info);
  g.output_bytes = vector_bytes(engine_output_count(), engine_output_info);
}

void start_engine(uint32_t bytes) { g.status = engine_init(arena_prepare(bytes), bytes); }

const EngineStatus& engine_status() { return g.status; }

void clear_state() {
  if (g.status.code == 0) engine_reset_state();
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
  if (!engine_ready(request)) return;
  /* Divided rather than multiplied: no product here can overflow. */
  size_t given = request.body_bytes - kInferHeadBytes;
  bool right_length = count == 0 ? given == 0 : given % count == 0 && given / count == g.input_bytes;
  if (!right_length) {
    answer_error(request, HIL_ERR_BAD_INPUT, g.input_bytes);
    return;
  }
  const size_t room = kBodyCapacity - kInferHeadBytes;
  const size_t fitting = g.output_bytes > room ? 0 : room / (static_cast<size_t>(g.output_bytes) + kTicksBytes);
  if (count > fitting) {
    answer_error(request, HIL_ERR_BAD_LENGTH, kInferHeadBytes + fitting * g.input_bytes);
    return;
  }
  uint8_t* const body = reply_body(request);
  uint8_t* out = body;
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
  answer_from_reply(request, static_cast<size_t>(out - body));
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
  if (!engine_ready(request)) return;
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
  engine_reset_state();
  set_inputs(request.body + kTraceHeadBytes);
  engine_run_ops(0, first);
  const uint32_t start = hil_platform_ticks();
  engine_run_ops(first, end);
  const uint32_t ticks = hil_platform_ticks() - start;
  uint8_t* out = reply_body(request);
  put_u16(out, ops);
  put_u32(out + 2, ticks);
  memcpy(out + kTracedHeadBytes, arena_start() + offset, bytes);
  answer_from_reply(request, kTracedHeadBytes + bytes);
}

void handle_set_arena(const Request& request) {
  if (!has_body_of(request, 4)) return;
  uint32_t bytes = get_u32(request.body);
  if (bytes > HIL_ARENA_CAPACITY) {
    answer_error(request, HIL_ERR_ARENA_TOO_LARGE, HIL_ARENA_CAPACITY);
    return;
  }
  start_engine(bytes);
  if (!engine_ready(request)) return;
  Writer out(reply_body(request), kBodyCapacity);
  out.u32(HIL_ARENA_CAPACITY);
  out.u32(bytes);
  out.u32(engine_arena_used());
  answer_from_reply(request, out.size());
}

}  // namespace hil
