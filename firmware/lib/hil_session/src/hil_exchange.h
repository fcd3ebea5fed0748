/* One request and its answer: the two frame buffers, and the memory that lets an effectful request be executed once however often it
 * comes (docs/protocol.md). */
#ifndef HIL_EXCHANGE_H
#define HIL_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "hil_build_config.h"
#include "hil_protocol_ids.h"

namespace hil {

const size_t kBodyCapacity = HIL_MAX_FRAME_BYTES - HIL_HEADER_BYTES - HIL_CRC_BYTES;

/* Two frame buffers serve everything. Requests are decoded into g_request. g_reply holds the reply to the last effectful request until
 * it can't be asked for again: the host starts nothing else before it has that reply, so a pure request means that it has. Small pure
 * replies are built in g_request, where they overwrite a request that has been read; only RESULT and LAYER_TRACED need g_reply, because
 * they are made while the inputs are still read. */
extern uint8_t g_request[HIL_MAX_FRAME_BYTES];
extern uint8_t g_reply[HIL_MAX_FRAME_BYTES];

struct Request {
  uint8_t type;
  uint16_t seq;
  uint32_t session;
  uint32_t crc;
  const uint8_t* body;
  size_t body_bytes;
  bool effectful;
};

/* Forgets session and requests, as a boot does. */
void exchange_begin();

/* HIL_NO_SESSION until HELLO. */
uint32_t session_id();

/* `request`, a HELLO, begins session `nonce`. */
void begin_session(const Request& request, uint32_t nonce);

/* True if the request is to be executed; else it has been answered: it is of another session, or effectful and executed before. */
bool admit(const Request& request);
/* The same for an effectful request that need not be of this session: HELLO. */
bool admit_effectful(const Request& request);

/* Where a reply's body is built while the request's is still read. For a pure request the last effectful reply gives way. */
uint8_t* reply_body(const Request& request);

/* The answer to a request that is executed, kept if it is effectful: `body_bytes` built in g_reply for an effectful request, in
 * g_request for a pure one. */
void answer(const Request& request, size_t body_bytes);
/* The same, built at reply_body() whatever the request. */
void answer_from_reply(const Request& request, size_t body_bytes);
void answer_error(const Request& request, uint8_t code, uint32_t detail, const char* text = "");
/* True if the body is that long; else BAD_LENGTH has been answered. */
bool has_body_of(const Request& request, size_t bytes);
/* A refusal that leaves no trace: neither the memory of effectful requests nor its stored reply changes. */
void refuse(const Request& request, uint8_t code, uint32_t detail);

/* Puts header and CRC around the body_bytes at frame + HIL_HEADER_BYTES and sends them. Returns the frame's bytes. */
size_t send_frame(uint8_t* frame, uint8_t type, uint16_t seq, size_t body_bytes);

}  // namespace hil
#endif
