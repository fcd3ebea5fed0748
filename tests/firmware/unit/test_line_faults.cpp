/* Every single fault at every byte of a whole session: at most one request is lost, nothing wrong is ever answered, nothing is done twice.
 */
#include "check.h"
#include "fake_engine.h"
#include "fake_platform.h"
#include "hil_protocol_ids.h"

namespace {

const uint32_t kNonce = 0x5EED0001;
const uint16_t kRequests = 6;

Bytes script() {
  return frame(HIL_MSG_HELLO, 1, 0, hello_body(kNonce)) + frame(HIL_MSG_PING, 2, kNonce, Bytes{1, 0, 0, 2}) +
         frame(HIL_MSG_INFER, 3, kNonce, infer_body(0, 2, 1.5f)) + frame(HIL_MSG_SET_ARENA, 4, kNonce, u32_body(300)) +
         frame(HIL_MSG_INFER, 5, kNonce, infer_body(HIL_INFER_FLAG_KEEP_STATE, 1, 2.0f)) +
         frame(HIL_MSG_INFER, 6, kNonce, infer_body(0, 1, -1.0f));
}

/* Answers to the script by seq, as a line without faults gives them. */
std::vector<Message> expected() {
  restart_device();
  std::vector<Message> answers = messages(exchange(script()));
  CHECK_EQ(answers.size(), kRequests);
  return answers;
}

/* The KEEP_STATE result depends on what came before, so only its type is compared. */
bool same(const Message& a, const Message& b) { return a.type == b.type && a.session == b.session && (a.seq == 5 || a.body == b.body); }

void check_session(const Bytes& sent, const std::vector<Message>& clean) {
  restart_device();
  int bad = 0;
  std::vector<Message> answers = messages(exchange(sent), &bad);
  CHECK_EQ(bad, 0);
  int seen[kRequests + 1] = {0};
  bool in_session = !answers.empty() && answers[0].seq == 1;
  for (const Message& answer : answers) {
    CHECK(answer.seq >= 1 && answer.seq <= kRequests);
    ++seen[answer.seq];
    if (in_session) {
      CHECK(same(answer, clean[answer.seq - 1u]));
    } else {
      CHECK_EQ(answer.type, HIL_MSG_ERROR);
      CHECK_EQ(answer.body[0], HIL_ERR_NOT_IN_SESSION);
    }
  }
  int lost = 0;
  for (uint16_t seq = 1; seq <= kRequests; ++seq) {
    CHECK(seen[seq] <= 1);
    lost += seen[seq] == 0 ? 1 : 0;
  }
  CHECK(lost <= 1);
  CHECK(g_engine.invokes <= 4);
  CHECK(g_engine.inits <= 2);

  /* And the device is as usable as ever. */
  exchange(Bytes(1, 0));
  CHECK_EQ(ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce + 1)).type, HIL_MSG_INFO);
}

}  // namespace

TEST(a_byte_dropped_anywhere_loses_at_most_one_request) {
  std::vector<Message> clean = expected();
  const Bytes sent = script();
  for (size_t i = 0; i < sent.size(); ++i) {
    Bytes faulty = sent;
    faulty.erase(faulty.begin() + static_cast<long>(i));
    check_session(faulty, clean);
  }
}

TEST(a_bit_flipped_anywhere_loses_at_most_one_request) {
  std::vector<Message> clean = expected();
  const Bytes sent = script();
  for (size_t i = 0; i < sent.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes faulty = sent;
      faulty[i] = static_cast<uint8_t>(faulty[i] ^ (1 << bit));
      check_session(faulty, clean);
    }
  }
}

TEST(a_byte_inserted_anywhere_loses_at_most_one_request) {
  std::vector<Message> clean = expected();
  const Bytes sent = script();
  for (size_t i = 0; i <= sent.size(); ++i) {
    for (uint8_t byte : {0x00, 0x01, 0x02, 0x55, 0xFE, 0xFF}) {
      Bytes faulty = sent;
      faulty.insert(faulty.begin() + static_cast<long>(i), byte);
      check_session(faulty, clean);
    }
  }
}

TEST(a_byte_doubled_anywhere_loses_at_most_one_request) {
  std::vector<Message> clean = expected();
  const Bytes sent = script();
  for (size_t i = 0; i < sent.size(); ++i) {
    Bytes faulty = sent;
    faulty.insert(faulty.begin() + static_cast<long>(i), sent[i]);
    check_session(faulty, clean);
  }
}

TEST(a_stream_cut_anywhere_answers_what_was_whole) {
  std::vector<Message> clean = expected();
  const Bytes sent = script();
  for (size_t cut = 0; cut <= sent.size(); ++cut) {
    restart_device();
    std::vector<Message> answers = messages(exchange(Bytes(sent.begin(), sent.begin() + static_cast<long>(cut))));
    for (size_t i = 0; i < answers.size(); ++i) CHECK(answers[i].seq == i + 1 && same(answers[i], clean[i]));
    exchange(Bytes(1, 0));
    CHECK_EQ(ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce + 1)).type, HIL_MSG_INFO);
  }
}

TEST(well_framed_nonsense_never_breaks_the_device) {
  restart_device();
  uint32_t random = 7;
  for (int i = 0; i < 20000; ++i) {
    Bytes body;
    random = random * 1664525u + 1013904223u;
    for (uint32_t n = (random >> 24) % 245; n != 0; --n) {
      random = random * 1664525u + 1013904223u;
      body.push_back(static_cast<uint8_t>(random >> ((random >> 30) * 8)));
    }
    uint8_t type = static_cast<uint8_t>(1 + (random >> 20) % 9);
    if (type == HIL_MSG_HELLO && i % 3 == 0) body = hello_body(kNonce);
    exchange(frame(type, static_cast<uint16_t>(random >> 8 | 1), kNonce, body));
  }
  fake_advance_ticks(16000000); /* a LINK_TEST among it waits for a pattern, but not for ever */
  exchange(Bytes());
  CHECK_EQ(ask(HIL_MSG_HELLO, 1, 0, hello_body(kNonce + 1)).type, HIL_MSG_INFO);
}
