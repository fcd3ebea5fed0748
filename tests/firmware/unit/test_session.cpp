/* Each request and each error, on a line without faults. */
#include "check.h"
#include "fake_engine.h"
#include "fake_platform.h"
#include "hil_build_config.h"
#include "hil_protocol_ids.h"
#include "hil_session.h"

namespace {

const uint32_t kNonce = 0x11223344;

/* A fresh device with a session. The HELLO had seq 1. */
Message start() {
  restart_device();
  return ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce));
}

Message request(uint8_t type, uint16_t seq, const Bytes& body = Bytes()) { return ask(type, seq, kNonce, body); }

uint8_t guard(uint16_t seq) { return tlv(request(HIL_MSG_STATS, seq).body, 0, HIL_STATS_TAG_ARENA_GUARD)[0]; }

}  // namespace

TEST(a_boot_is_announced_once_with_reason_and_count) {
  std::vector<Message> said = messages(restart_device());
  CHECK_EQ(said.size(), 1);
  CHECK_EQ(said[0].type, HIL_MSG_BOOT);
  CHECK_EQ(said[0].seq, 0);
  CHECK_EQ(said[0].session, 0);
  CHECK(said[0].body == (Bytes{HIL_RESET_WATCHDOG, 0x04, 0x03, 0x02, 0x01}));
}

TEST(hello_is_answered_with_everything_the_device_knows_of_itself) {
  Message info = start();
  CHECK_EQ(info.type, HIL_MSG_INFO);
  CHECK_EQ(info.session, kNonce);
  CHECK_EQ(u32_at(info.body, 0), kNonce);
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_PROTOCOL_VERSION) == Bytes{HIL_PROTOCOL_VERSION});
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_BOARD) == (Bytes{'t', 'e', 's', 't', 'b', 'o', 'a', 'r', 'd'}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_MCU) == (Bytes{'T', 'E', 'S', 'T', 'M', 'C', 'U'}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_ENGINE) == (Bytes{'f', 'a', 'k', 'e'}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_ENGINE_VERSION) == (Bytes{'1', '.', '2'}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_BUILD_ID) == (Bytes{HIL_BUILD_ID}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_MODEL_SHA256) == (Bytes{HIL_MODEL_SHA256}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_INPUT, 0) == (Bytes{HIL_DTYPE_FLOAT32, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_INPUT, 1) == (Bytes{HIL_DTYPE_INT8, 2, 1, 0, 2, 0, 0, 0, 0, 0x3F, 0xFD, 0xFF, 0xFF, 0xFF}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_OUTPUT) == (Bytes{HIL_DTYPE_FLOAT32, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_ARENA) == u32_body(512) + u32_body(128) + u32_body(100));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_CLOCK) == u32_body(32000000) + u32_body(16000000));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_LIMITS) == (Bytes{0x00, 0x01, 0x00, 0x02}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_BOOT) == (Bytes{HIL_RESET_WATCHDOG, 4, 3, 2, 1}));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_ENGINE_STATUS) == Bytes(5, 0));
  CHECK(tlv(info.body, 4, HIL_INFO_TAG_DEVICE_UID) == (Bytes{0xAA, 0x00, 0xBB}));
}

TEST(hello_without_a_shared_version_is_refused_and_starts_no_session) {
  restart_device();
  check_error(ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce, 2, 9)), HIL_ERR_VERSION, HIL_MSG_HELLO, 0x0101);
  check_error(ask(HIL_MSG_HELLO, 2, 0, hello_body(kNonce, 0, 0)), HIL_ERR_VERSION, HIL_MSG_HELLO, 0x0101);
  check_error(request(HIL_MSG_PING, 3), HIL_ERR_NOT_IN_SESSION, HIL_MSG_PING, 0);
  CHECK_EQ(ask(HIL_MSG_HELLO, 4, 0, hello_body(kNonce, 0, 255)).type, HIL_MSG_INFO);
}

TEST(hello_of_another_length_or_nonce_zero_is_refused) {
  restart_device();
  check_error(ask(HIL_MSG_HELLO, 1, 0, Bytes(5, 1)), HIL_ERR_BAD_LENGTH, HIL_MSG_HELLO, 6);
  check_error(ask(HIL_MSG_HELLO, 2, 0, Bytes(7, 1)), HIL_ERR_BAD_LENGTH, HIL_MSG_HELLO, 6);
  check_error(ask(HIL_MSG_HELLO, 3, 0, hello_body(0)), HIL_ERR_UNSUPPORTED, HIL_MSG_HELLO, 0);
}

TEST(before_hello_every_request_is_refused_as_after_a_reboot) {
  restart_device();
  for (uint8_t type = HIL_MSG_PING; type <= HIL_MSG_STATS; ++type) {
    Message answer = request(type, 5);
    check_error(answer, HIL_ERR_NOT_IN_SESSION, type, 0);
    CHECK_EQ(answer.session, 0);
    check_error(ask(type, 6, 0, Bytes()), HIL_ERR_NOT_IN_SESSION, type, 0); /* id 0 is no session either */
  }
  CHECK_EQ(g_reboots, 0);
}

TEST(another_hosts_session_id_is_refused_with_the_real_one_and_nothing_is_executed) {
  start();
  int inits = g_engine.inits, resets = g_engine.resets, invokes = g_engine.invokes;
  for (uint8_t type = HIL_MSG_PING; type <= HIL_MSG_STATS; ++type) {
    Message answer = ask(type, 50, kNonce + 1, type == HIL_MSG_SET_ARENA ? u32_body(200) : Bytes());
    check_error(answer, HIL_ERR_NOT_IN_SESSION, type, kNonce);
    CHECK_EQ(answer.session, kNonce);
  }
  CHECK_EQ(g_engine.inits, inits);
  CHECK_EQ(g_engine.resets, resets);
  CHECK_EQ(g_engine.invokes, invokes);
  CHECK_EQ(g_reboots, 0);
  CHECK_EQ(request(HIL_MSG_SET_ARENA, 2, u32_body(200)).type, HIL_MSG_ARENA); /* the refused seq 50 left no trace */
}

TEST(ping_returns_its_body_up_to_the_longest_frame) {
  start();
  for (size_t n : {0, 1, 100, HIL_MAX_FRAME_BYTES - HIL_HEADER_BYTES - HIL_CRC_BYTES}) {
    Bytes body(n);
    for (size_t i = 0; i < n; ++i) body[i] = static_cast<uint8_t>(i);
    Message pong = request(HIL_MSG_PING, 9, body);
    CHECK_EQ(pong.type, HIL_MSG_PONG);
    CHECK(pong.body == body);
  }
}

TEST(an_unknown_request_type_is_said_to_be_unknown) {
  start();
  check_error(request(0x0B, 2), HIL_ERR_UNKNOWN_TYPE, 0x0B, 0x0B);
  check_error(request(0x7F, 3, Bytes(40, 1)), HIL_ERR_UNKNOWN_TYPE, 0x7F, 0x7F);
}

TEST(layers_of_an_engine_that_shows_none_are_refused) {
  start();
  check_error(request(HIL_MSG_LAYER_TRACE, 2, Bytes(24, 0)), HIL_ERR_UNSUPPORTED, HIL_MSG_LAYER_TRACE, HIL_MSG_LAYER_TRACE);
}

TEST(replies_and_unsolicited_messages_from_an_echoing_line_are_not_answered) {
  start();
  for (int type = 0x80; type <= 0xFF; ++type) CHECK_EQ(exchange(frame(static_cast<uint8_t>(type), 4, kNonce, Bytes(6, 0))).size(), 0);
  CHECK_EQ(exchange(frame(HIL_MSG_PING, 0, kNonce, Bytes())).size(), 0);
}

TEST(infer_returns_outputs_and_the_ticks_of_invoke_alone) {
  for (uint32_t first_tick : {0u, 0xFFFFFFFFu - 3000u}) { /* the counter wraps */
    g_first_tick = first_tick;
    start();
    Message result = request(HIL_MSG_INFER, 2, infer_body(0, 3, 2.0f));
    g_first_tick = 0;
    CHECK_EQ(result.type, HIL_MSG_RESULT);
    CHECK_EQ(result.body.size(), 2 + 3 * 12);
    CHECK_EQ(result.body[0], 0);
    CHECK_EQ(result.body[1], 3);
    for (size_t i = 0; i < 3; ++i) {
      CHECK_EQ(u32_at(result.body, 2 + 12 * i), kFakeInvokeTicks);
      CHECK(f32_at(result.body, 6 + 12 * i) == 10.0f);
      CHECK(f32_at(result.body, 10 + 12 * i) == 1.0f); /* cleared before each vector */
    }
  }
}

TEST(keep_state_carries_state_on_until_it_is_reset) {
  start();
  Message first = request(HIL_MSG_INFER, 2, infer_body(HIL_INFER_FLAG_KEEP_STATE, 2, 1.0f));
  CHECK_EQ(first.body[0], HIL_INFER_FLAG_KEEP_STATE);
  CHECK(f32_at(first.body, 2 + 12 + 4) == 10.0f);
  CHECK(f32_at(request(HIL_MSG_INFER, 3, infer_body(HIL_INFER_FLAG_KEEP_STATE, 1, 1.0f)).body, 6) == 15.0f);
  Message reset = request(HIL_MSG_RESET_STATE, 4);
  CHECK_EQ(reset.type, HIL_MSG_STATE_RESET);
  CHECK_EQ(reset.body.size(), 0);
  CHECK(f32_at(request(HIL_MSG_INFER, 5, infer_body(HIL_INFER_FLAG_KEEP_STATE, 1, 1.0f)).body, 6) == 5.0f);
}

TEST(a_new_session_starts_from_cleared_state) {
  start();
  request(HIL_MSG_INFER, 2, infer_body(HIL_INFER_FLAG_KEEP_STATE, 1, 1.0f));
  ask(HIL_MSG_HELLO, 1, 0, hello_body(77));
  CHECK(f32_at(ask(HIL_MSG_INFER, 2, 77, infer_body(HIL_INFER_FLAG_KEEP_STATE, 1, 1.0f)).body, 6) == 5.0f);
}

TEST(infer_of_no_vectors_is_answered_with_none) {
  start();
  CHECK(request(HIL_MSG_INFER, 2, Bytes{0, 0}).body == (Bytes{0, 0}));
  check_error(request(HIL_MSG_INFER, 3, Bytes{0, 0, 9}), HIL_ERR_BAD_INPUT, HIL_MSG_INFER, kFakeInputBytes);
}

TEST(infer_with_too_few_or_too_many_bytes_is_refused) {
  start();
  check_error(request(HIL_MSG_INFER, 2, Bytes()), HIL_ERR_BAD_LENGTH, HIL_MSG_INFER, 2);
  check_error(request(HIL_MSG_INFER, 3, Bytes(1, 0)), HIL_ERR_BAD_LENGTH, HIL_MSG_INFER, 2);
  for (int change : {-1, 1, 14, -14}) {
    Bytes body = infer_body(0, 2, 1.0f);
    body.resize(static_cast<size_t>(static_cast<int>(body.size()) + change));
    check_error(request(HIL_MSG_INFER, 4, body), HIL_ERR_BAD_INPUT, HIL_MSG_INFER, kFakeInputBytes);
  }
  CHECK_EQ(g_engine.invokes, 0);
}

TEST(infer_with_unknown_flags_is_unsupported) {
  start();
  check_error(request(HIL_MSG_INFER, 2, infer_body(0x02, 1, 1.0f)), HIL_ERR_UNSUPPORTED, HIL_MSG_INFER, 2);
  check_error(request(HIL_MSG_INFER, 3, infer_body(0x81, 1, 1.0f)), HIL_ERR_UNSUPPORTED, HIL_MSG_INFER, 0x80);
  CHECK_EQ(g_engine.invokes, 0);
}

TEST(infer_whose_result_would_not_fit_a_frame_is_refused_with_the_longest_body_that_fits) {
  restart_device();
  g_engine.output_elements = 20; /* 84 bytes per vector with ticks: two fit 243 bytes, and 17 inputs would */
  hil::session_begin();
  ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce));
  CHECK_EQ(request(HIL_MSG_INFER, 2, infer_body(0, 2, 1.0f)).body.size(), 2 + 2 * 84);
  check_error(request(HIL_MSG_INFER, 3, infer_body(0, 3, 1.0f)), HIL_ERR_BAD_LENGTH, HIL_MSG_INFER, 2 + 2 * kFakeInputBytes);
  g_engine.output_elements = 0xFFFF;
  hil::session_begin();
  ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce));
  check_error(request(HIL_MSG_INFER, 3, infer_body(0, 1, 1.0f)), HIL_ERR_BAD_LENGTH, HIL_MSG_INFER, 2);
}

TEST(a_failed_invoke_names_the_vector_and_the_engines_reason) {
  start();
  g_engine.fail_at_invoke = 2;
  Message error = request(HIL_MSG_INFER, 2, infer_body(0, 4, 1.0f));
  check_error(error, HIL_ERR_INVOKE_FAILED, HIL_MSG_INFER, 2);
  CHECK(Bytes(error.body.begin() + 6, error.body.end()) == (Bytes{'o', 'p', ' ', '3'}));
  CHECK_EQ(request(HIL_MSG_INFER, 3, infer_body(0, 4, 1.0f)).type, HIL_MSG_RESULT);
}

TEST(set_arena_makes_the_engine_ready_in_another_size) {
  start();
  Message arena = request(HIL_MSG_SET_ARENA, 2, u32_body(100));
  CHECK_EQ(arena.type, HIL_MSG_ARENA);
  CHECK(arena.body == u32_body(512) + u32_body(100) + u32_body(100));
  CHECK_EQ(request(HIL_MSG_SET_ARENA, 3, u32_body(512)).type, HIL_MSG_ARENA);
  CHECK_EQ(request(HIL_MSG_INFER, 4, infer_body(0, 1, 1.0f)).type, HIL_MSG_RESULT);
}

TEST(an_arena_too_small_is_refused_and_so_is_infer_until_one_is_large_enough) {
  start();
  check_error(request(HIL_MSG_SET_ARENA, 2, u32_body(60)), HIL_ERR_ARENA_TOO_SMALL, HIL_MSG_SET_ARENA, 40);
  check_error(request(HIL_MSG_INFER, 3, infer_body(0, 1, 1.0f)), HIL_ERR_ARENA_TOO_SMALL, HIL_MSG_INFER, 40);
  CHECK_EQ(request(HIL_MSG_RESET_STATE, 4).type, HIL_MSG_STATE_RESET);
  CHECK(tlv(request(HIL_MSG_STATS, 5).body, 0, HIL_STATS_TAG_ARENA) == u32_body(512) + u32_body(60) + u32_body(0));
  check_error(request(HIL_MSG_SET_ARENA, 6, u32_body(0)), HIL_ERR_ARENA_TOO_SMALL, HIL_MSG_SET_ARENA, 100);
  CHECK_EQ(request(HIL_MSG_SET_ARENA, 7, u32_body(100)).type, HIL_MSG_ARENA);
  CHECK_EQ(request(HIL_MSG_INFER, 8, infer_body(0, 1, 1.0f)).type, HIL_MSG_RESULT);
}

TEST(an_arena_beyond_the_capacity_is_refused_and_the_old_one_stays) {
  start();
  int inits = g_engine.inits;
  check_error(request(HIL_MSG_SET_ARENA, 2, u32_body(513)), HIL_ERR_ARENA_TOO_LARGE, HIL_MSG_SET_ARENA, 512);
  check_error(request(HIL_MSG_SET_ARENA, 3, u32_body(0xFFFFFFFF)), HIL_ERR_ARENA_TOO_LARGE, HIL_MSG_SET_ARENA, 512);
  check_error(request(HIL_MSG_SET_ARENA, 4, Bytes(3, 0)), HIL_ERR_BAD_LENGTH, HIL_MSG_SET_ARENA, 4);
  CHECK_EQ(g_engine.inits, inits);
  CHECK_EQ(request(HIL_MSG_INFER, 5, infer_body(0, 1, 1.0f)).type, HIL_MSG_RESULT);
}

TEST(an_engine_that_cannot_start_at_boot_is_reported_and_can_be_cured) {
  restart_device();
  g_engine.needed_bytes = 300;
  hil::session_begin();
  Message info = ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce));
  Bytes status = tlv(info.body, 4, HIL_INFO_TAG_ENGINE_STATUS);
  CHECK(status == Bytes{HIL_ERR_ARENA_TOO_SMALL} + u32_body(300 - ARENA_SIZE) + Bytes{'s', 't', 'a', 't', 'e'});
  check_error(request(HIL_MSG_INFER, 2, infer_body(0, 1, 1.0f)), HIL_ERR_ARENA_TOO_SMALL, HIL_MSG_INFER, 300 - ARENA_SIZE);
  CHECK_EQ(request(HIL_MSG_SET_ARENA, 3, u32_body(300)).type, HIL_MSG_ARENA);
  CHECK_EQ(request(HIL_MSG_INFER, 4, infer_body(0, 1, 1.0f)).type, HIL_MSG_RESULT);
}

TEST(one_byte_beyond_or_before_the_set_arena_is_noticed) {
  for (int overrun : {1, 16, -1, -8}) {
    start();
    CHECK_EQ(guard(2), 1);
    CHECK_EQ(request(HIL_MSG_SET_ARENA, 3, u32_body(101)).type, HIL_MSG_ARENA);
    request(HIL_MSG_INFER, 4, infer_body(0, 1, 1.0f));
    CHECK_EQ(guard(5), 1);
    g_engine.overrun_bytes = overrun;
    request(HIL_MSG_INFER, 6, infer_body(0, 1, 1.0f));
    CHECK_EQ(guard(7), 0);
    g_engine.overrun_bytes = 0;
    request(HIL_MSG_INFER, 8, infer_body(0, 1, 1.0f));
    CHECK_EQ(guard(9), 0); /* it stays noticed */
    request(HIL_MSG_SET_ARENA, 10, u32_body(101));
    CHECK_EQ(guard(11), 1); /* each setting is judged by itself */
  }
}

TEST(an_overrun_of_the_whole_buffer_is_noticed) {
  start();
  request(HIL_MSG_SET_ARENA, 2, u32_body(HIL_ARENA_CAPACITY));
  g_engine.overrun_bytes = 1;
  request(HIL_MSG_INFER, 3, infer_body(0, 1, 1.0f));
  CHECK_EQ(guard(4), 0);
}

TEST(stats_tell_what_is_known_and_leave_out_the_rest) {
  start();
  exchange(Bytes{1, 2, 3, 0});
  Bytes stats = request(HIL_MSG_STATS, 2).body;
  CHECK(tlv(stats, 0, HIL_STATS_TAG_RX_FRAMES) == u32_body(2));
  CHECK(tlv(stats, 0, HIL_STATS_TAG_RX_BAD_FRAMES) == u32_body(1));
  CHECK(tlv(stats, 0, HIL_STATS_TAG_RX_OVERRUNS) == u32_body(5));
  CHECK(tlv(stats, 0, HIL_STATS_TAG_ARENA_MEMORY) == Bytes{HIL_MEMORY_PSRAM});
  CHECK(tlv(stats, 0, HIL_STATS_TAG_STACK_BYTES) == u32_body(1000));
  CHECK(tlv(stats, 0, HIL_STATS_TAG_STACK_FREE_MIN) == u32_body(600));
  CHECK(!has_tlv(stats, 0, HIL_STATS_TAG_HEAP_FREE_MIN));
}

TEST(requests_without_a_body_refuse_one) {
  start();
  uint16_t seq = 2;
  for (uint8_t type : {HIL_MSG_RESET_STATE, HIL_MSG_REBOOT, HIL_MSG_STATS}) {
    check_error(request(type, seq++, Bytes(1, 0)), HIL_ERR_BAD_LENGTH, type, 0);
  }
  CHECK_EQ(g_reboots, 0);
}

TEST(reboot_is_acknowledged_before_it_happens) {
  start();
  Message answer = request(HIL_MSG_REBOOT, 2);
  CHECK_EQ(answer.type, HIL_MSG_REBOOTING);
  CHECK_EQ(answer.session, kNonce);
  CHECK_EQ(g_reboots, 1);
}

TEST(a_log_is_an_unsolicited_frame_and_is_cut_to_a_small_one) {
  start();
  std::vector<char> text(500, 'x');
  text.push_back('\0');
  std::vector<Message> said = messages(said_during([&] { hil::session_log(HIL_LOG_WARNING, text.data()); }));
  CHECK_EQ(said.size(), 1);
  CHECK_EQ(said[0].type, HIL_MSG_LOG);
  CHECK_EQ(said[0].seq, 0);
  CHECK_EQ(said[0].session, kNonce);
  CHECK_EQ(said[0].body.size(), 1 + 200);
  CHECK_EQ(said[0].body[0], HIL_LOG_WARNING);
}
