/* docs/protocol.md, "Repetition and order", line by line. */
#include "check.h"
#include "fake_engine.h"
#include "fake_platform.h"
#include "hil_build_config.h"
#include "hil_protocol_ids.h"

namespace {

const uint32_t kNonce = 0xCAFE0001;
const uint8_t kKeep = HIL_INFER_FLAG_KEEP_STATE;

void start(uint16_t seq = 1) {
  restart_device();
  CHECK_EQ(ask(HIL_MSG_HELLO, seq, 0, hello_body(kNonce)).type, HIL_MSG_INFO);
}

Message request(uint8_t type, uint16_t seq, const Bytes& body = Bytes()) { return ask(type, seq, kNonce, body); }

}  // namespace

TEST(pure_requests_may_be_repeated_and_give_the_same_bytes) {
  start();
  Bytes infer = frame(HIL_MSG_INFER, 5, kNonce, infer_body(0, 2, 3.0f));
  Bytes first = exchange(infer);
  CHECK(exchange(infer) == first);
  CHECK_EQ(g_engine.invokes, 4); /* computed again, not remembered */
  Bytes ping = frame(HIL_MSG_PING, 4, kNonce, Bytes(3, 3));
  CHECK(exchange(ping) == exchange(ping));
}

TEST(pure_requests_may_be_in_flight_together_and_in_any_order) {
  start();
  Bytes burst = frame(HIL_MSG_INFER, 9, kNonce, infer_body(0, 1, 9.0f)) + frame(HIL_MSG_PING, 3, kNonce, Bytes{3}) +
                frame(HIL_MSG_INFER, 7, kNonce, infer_body(0, 1, 7.0f)) + frame(HIL_MSG_STATS, 8, kNonce, Bytes());
  std::vector<Message> answers = messages(exchange(burst));
  CHECK_EQ(answers.size(), 4);
  uint16_t expected[] = {9, 3, 7, 8};
  for (size_t i = 0; i < 4; ++i) CHECK_EQ(answers[i].seq, expected[i]);
  CHECK(f32_at(answers[0].body, 6) == 45.0f);
  CHECK(f32_at(answers[2].body, 6) == 35.0f);
}

TEST(a_repeated_effectful_request_gets_the_stored_reply_and_is_not_executed) {
  start();
  Bytes infer = frame(HIL_MSG_INFER, 2, kNonce, infer_body(kKeep, 2, 1.0f));
  Bytes first = exchange(infer);
  for (int again = 0; again < 3; ++again) CHECK(exchange(infer) == first);
  CHECK_EQ(g_engine.invokes, 2);

  Bytes arena = frame(HIL_MSG_SET_ARENA, 3, kNonce, u32_body(200));
  int inits = g_engine.inits;
  first = exchange(arena);
  CHECK(exchange(arena) == first);
  CHECK_EQ(g_engine.inits, inits + 1);

  Bytes reset = frame(HIL_MSG_RESET_STATE, 4, kNonce, Bytes());
  int resets = g_engine.resets;
  first = exchange(reset);
  CHECK(exchange(reset) == first);
  CHECK_EQ(g_engine.resets, resets + 1);
}

TEST(a_repeated_hello_gets_the_same_info) {
  restart_device();
  Bytes hello = frame(HIL_MSG_HELLO, 1, 0, hello_body(kNonce));
  Bytes first = exchange(hello);
  int resets = g_engine.resets;
  CHECK(exchange(hello) == first);
  CHECK_EQ(g_engine.resets, resets);
}

TEST(a_stored_error_is_repeated_like_any_reply) {
  start();
  Bytes arena = frame(HIL_MSG_SET_ARENA, 2, kNonce, u32_body(10));
  int inits = g_engine.inits;
  Bytes first = exchange(arena);
  CHECK_EQ(messages(first)[0].type, HIL_MSG_ERROR);
  CHECK(exchange(arena) == first);
  CHECK_EQ(g_engine.inits, inits + 1);

  request(HIL_MSG_SET_ARENA, 3, u32_body(200));
  g_engine.fail_at_invoke = g_engine.invokes;
  Bytes infer = frame(HIL_MSG_INFER, 4, kNonce, infer_body(kKeep, 1, 1.0f));
  first = exchange(infer);
  CHECK_EQ(messages(first)[0].type, HIL_MSG_ERROR);
  CHECK(exchange(infer) == first);
}

TEST(the_stored_reply_survives_pings_stats_and_refusals) {
  start();
  Bytes infer = frame(HIL_MSG_INFER, 5, kNonce, infer_body(kKeep, 1, 1.0f));
  Bytes first = exchange(infer);
  request(HIL_MSG_PING, 6, Bytes(200, 7));
  request(HIL_MSG_STATS, 7);
  check_error(request(HIL_MSG_RESET_STATE, 4), HIL_ERR_OUT_OF_ORDER, HIL_MSG_RESET_STATE, 5);
  check_error(ask(HIL_MSG_RESET_STATE, 9, 1234, Bytes()), HIL_ERR_NOT_IN_SESSION, HIL_MSG_RESET_STATE, kNonce);
  check_error(request(HIL_MSG_INFER, 8, Bytes{0, 1}), HIL_ERR_BAD_INPUT, HIL_MSG_INFER, kFakeInputBytes);
  CHECK(exchange(infer) == first);
  CHECK_EQ(g_engine.invokes, 1);
}

TEST(a_repeat_whose_reply_a_pure_infer_has_overwritten_is_still_not_executed) {
  start();
  Bytes infer = frame(HIL_MSG_INFER, 5, kNonce, infer_body(kKeep, 1, 1.0f));
  exchange(infer);
  request(HIL_MSG_INFER, 6, infer_body(0, 1, 1.0f)); /* the host has had the reply, or it would not have gone on */
  std::vector<Message> answers = messages(exchange(infer));
  CHECK_EQ(answers.size(), 1);
  check_error(answers[0], HIL_ERR_OUT_OF_ORDER, HIL_MSG_INFER, 5);
  CHECK_EQ(g_engine.invokes, 2);
}

TEST(an_effectful_request_that_is_not_newer_is_out_of_order) {
  start(100);
  CHECK_EQ(request(HIL_MSG_RESET_STATE, 101).type, HIL_MSG_STATE_RESET);
  int resets = g_engine.resets;
  uint16_t older[] = {100, 1, 0xFFFF, static_cast<uint16_t>(101 + 0x8001)};
  for (uint16_t seq : older) check_error(request(HIL_MSG_RESET_STATE, seq), HIL_ERR_OUT_OF_ORDER, HIL_MSG_RESET_STATE, 101);
  check_error(request(HIL_MSG_SET_ARENA, 101, u32_body(200)), HIL_ERR_OUT_OF_ORDER, HIL_MSG_SET_ARENA, 101); /* same seq, another crc */
  CHECK_EQ(g_engine.resets, resets);
  CHECK_EQ(request(HIL_MSG_RESET_STATE, 102).type, HIL_MSG_STATE_RESET);
}

TEST(order_is_serial_arithmetic_over_the_wrap) {
  start(0xFFFE);
  CHECK_EQ(request(HIL_MSG_RESET_STATE, 0xFFFF).type, HIL_MSG_STATE_RESET);
  CHECK_EQ(request(HIL_MSG_RESET_STATE, 1).type, HIL_MSG_STATE_RESET);
  check_error(request(HIL_MSG_RESET_STATE, 0xFFFF), HIL_ERR_OUT_OF_ORDER, HIL_MSG_RESET_STATE, 1);
}

TEST(any_number_of_pure_requests_may_pass_between_two_effectful_ones) {
  start();
  uint16_t seq = 2;
  for (long i = 0; i < 80000; ++i) {
    if (i % 39000 == 38000) CHECK_EQ(request(HIL_MSG_RESET_STATE, seq).type, HIL_MSG_STATE_RESET);
    if (i % 39000 != 38000) exchange(frame(HIL_MSG_PING, seq, kNonce, Bytes()));
    if (++seq == 0) seq = 1;
  }
}

TEST(a_stored_reply_is_never_given_to_a_new_request_whose_seq_came_round_again) {
  start();
  Bytes reset = frame(HIL_MSG_RESET_STATE, 2, kNonce, Bytes());
  exchange(reset);
  int resets = g_engine.resets;
  for (uint16_t seq = 3; seq != 2; ++seq) {
    if (seq != 0) exchange(frame(HIL_MSG_PING, seq, kNonce, Bytes()));
  }
  CHECK_EQ(messages(exchange(reset))[0].type, HIL_MSG_STATE_RESET);
  CHECK_EQ(g_engine.resets, resets + 1);
}

TEST(hello_with_a_new_nonce_resets_the_memory) {
  start(1000);
  request(HIL_MSG_RESET_STATE, 2000);
  CHECK_EQ(ask(HIL_MSG_HELLO, 1, 0, hello_body(5)).type, HIL_MSG_INFO);
  CHECK_EQ(ask(HIL_MSG_RESET_STATE, 2, 5, Bytes()).type, HIL_MSG_STATE_RESET);
}

TEST(hello_with_the_same_nonce_obeys_the_order) {
  start(10);
  CHECK_EQ(ask(HIL_MSG_HELLO, 11, 0, hello_body(kNonce)).type, HIL_MSG_INFO);
  check_error(ask(HIL_MSG_HELLO, 9, 0, hello_body(kNonce)), HIL_ERR_OUT_OF_ORDER, HIL_MSG_HELLO, 11);
}

TEST(a_reboot_forgets_session_and_memory) {
  start();
  Bytes infer = frame(HIL_MSG_INFER, 2, kNonce, infer_body(kKeep, 1, 1.0f));
  exchange(infer);
  restart_device();
  std::vector<Message> answers = messages(exchange(infer));
  CHECK_EQ(answers.size(), 1);
  check_error(answers[0], HIL_ERR_NOT_IN_SESSION, HIL_MSG_INFER, 0);
  CHECK_EQ(g_engine.invokes, 0);
}
