/* docs/protocol.md, "Faster lines": rates, leases, patterns. */
#include "check.h"
#include "fake_engine.h"
#include "fake_platform.h"
#include "hil_build_config.h"
#include "hil_line_test.h"
#include "hil_protocol_ids.h"

namespace {

const uint32_t kNonce = 0xCAFE0001;
const uint32_t kTicksPerMs = 16000;

void start() {
  restart_device();
  CHECK_EQ(ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce)).type, HIL_MSG_INFO);
}

Message request(uint8_t type, uint16_t seq, const Bytes& body = Bytes()) { return ask(type, seq, kNonce, body); }

Bytes u16_body(uint16_t value) { return Bytes{static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8)}; }

Bytes pattern(uint16_t n) {
  Bytes bytes;
  for (uint16_t i = 0; i < n; ++i) bytes.push_back(hil::line_test_pattern(i));
  return bytes;
}

void wait_ms(uint32_t ms) {
  for (uint32_t i = 0; i < ms; i += 10) {
    fake_advance_ticks(10 * kTicksPerMs);
    exchange(Bytes());
  }
}

}  // namespace

TEST(a_rate_is_confirmed_and_then_set) {
  start();
  Message answer = request(HIL_MSG_BAUD, 2, u32_body(921600) + u16_body(1000));
  CHECK_EQ(answer.type, HIL_MSG_BAUD_SET);
  CHECK(answer.body == u32_body(921600));
  CHECK_EQ(g_baud, 921600);
}

TEST(a_rate_the_platform_lacks_is_refused_and_nothing_changes) {
  start();
  check_error(request(HIL_MSG_BAUD, 2, u32_body(2000000) + u16_body(1000)), HIL_ERR_UNSUPPORTED, HIL_MSG_BAUD, 2000000);
  check_error(request(HIL_MSG_BAUD, 3, u32_body(921600)), HIL_ERR_BAD_LENGTH, HIL_MSG_BAUD, 6);
  CHECK_EQ(g_baud, HIL_BAUD);
}

TEST(a_rate_at_which_no_frame_comes_ends_by_itself) {
  start();
  request(HIL_MSG_BAUD, 2, u32_body(921600) + u16_body(500));
  for (int i = 0; i < 60; ++i) {
    fake_advance_ticks(10 * kTicksPerMs);
    exchange(Bytes{0x12, 0x80, 0x00}); /* junk does not keep it */
    CHECK_EQ(g_baud, i < 49 ? 921600 : HIL_BAUD);
  }
}

TEST(each_frame_keeps_the_rate) {
  start();
  request(HIL_MSG_BAUD, 2, u32_body(921600) + u16_body(500));
  for (uint16_t i = 0; i < 5; ++i) {
    wait_ms(490);
    request(HIL_MSG_PING, static_cast<uint16_t>(3 + i));
  }
  CHECK_EQ(g_baud, 921600);
  CHECK_EQ(g_baud, 921600);
  wait_ms(510);
  CHECK_EQ(g_baud, HIL_BAUD);
}

TEST(the_rate_of_the_start_has_no_lease) {
  start();
  request(HIL_MSG_BAUD, 2, u32_body(HIL_BAUD) + u16_body(10));
  g_baud = 1;
  wait_ms(3000);
  CHECK_EQ(g_baud, 1);
}

TEST(a_clean_pattern_has_no_errors_and_is_answered_with_one) {
  start();
  Bytes test = frame(HIL_MSG_LINK_TEST, 2, kNonce, u16_body(300) + u16_body(200));
  Bytes said = exchange(test + pattern(300));
  std::vector<Message> answers = messages(Bytes(said.begin(), said.end() - 200));
  CHECK_EQ(answers.size(), 1);
  CHECK_EQ(answers[0].type, HIL_MSG_LINK_TESTED);
  CHECK_EQ(answers[0].seq, 2);
  CHECK(answers[0].body == u16_body(300) + u32_body(0));
  CHECK(Bytes(said.end() - 200, said.end()) == pattern(200));
  CHECK_EQ(request(HIL_MSG_PING, 3).type, HIL_MSG_PONG);
}

TEST(each_wrong_bit_is_counted) {
  start();
  Bytes spoilt = pattern(100);
  spoilt[0] ^= 0x81;
  spoilt[99] ^= 0x08;
  Bytes said = exchange(frame(HIL_MSG_LINK_TEST, 2, kNonce, u16_body(100) + u16_body(0)) + spoilt);
  CHECK(messages(said)[0].body == u16_body(100) + u32_body(3));
}

TEST(a_pattern_that_stops_is_answered_after_a_while) {
  start();
  CHECK(exchange(frame(HIL_MSG_LINK_TEST, 2, kNonce, u16_body(100) + u16_body(0)) + pattern(40)).empty());
  fake_advance_ticks(190 * kTicksPerMs);
  CHECK(exchange(Bytes()).empty());
  fake_advance_ticks(20 * kTicksPerMs);
  CHECK(messages(exchange(Bytes()))[0].body == u16_body(40) + u32_body(0));
  CHECK_EQ(request(HIL_MSG_PING, 3).type, HIL_MSG_PONG);
}

TEST(a_pattern_being_received_keeps_the_rate) {
  start();
  request(HIL_MSG_BAUD, 2, u32_body(921600) + u16_body(300));
  exchange(frame(HIL_MSG_LINK_TEST, 3, kNonce, u16_body(60) + u16_body(0)));
  Bytes bytes = pattern(60);
  for (size_t i = 0; i < 60; ++i) {
    fake_advance_ticks(100 * kTicksPerMs);
    exchange(Bytes(1, bytes[i]));
  }
  CHECK_EQ(g_baud, 921600);
}

TEST(a_new_session_counts_frames_anew) {
  start();
  exchange(Bytes{1, 2, 3, 0});
  ask(HIL_MSG_HELLO, 5, 0, hello_body(kNonce + 1));
  Bytes stats = ask(HIL_MSG_STATS, 6, kNonce + 1, Bytes()).body;
  CHECK(tlv(stats, 0, HIL_STATS_TAG_RX_FRAMES) == u32_body(2));
  CHECK(tlv(stats, 0, HIL_STATS_TAG_RX_BAD_FRAMES) == u32_body(0));
}
