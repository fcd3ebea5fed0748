/* What the device says about itself: the TLVs of INFO and STATS_REPLY. */
#ifndef HIL_DESCRIBE_H
#define HIL_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "hil_engine.h"
#include "hil_receiver.h"

namespace hil {

/* Bytes of one element sequence of `tensor`; UINT32_MAX where they don't fit 32 bits or the dtype is unknown. */
uint32_t tensor_bytes(const TensorInfo& tensor);

/* Write the body and return its size. What doesn't fit is left out, least important last; both always fit 256-byte frames but for long
 * texts. */
size_t write_info(uint8_t* body, size_t capacity, uint32_t nonce, const EngineStatus& engine);
size_t write_stats(uint8_t* body, size_t capacity, const EngineStatus& engine, const Receiver& receiver);

}  // namespace hil
#endif
