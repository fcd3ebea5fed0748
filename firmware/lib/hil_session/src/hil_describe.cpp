#include "hil_describe.h"

#include "hil_arena.h"
#include "hil_build_config.h"
#include "hil_flash.h"
#include "hil_platform.h"
#include "hil_protocol_ids.h"
#include "hil_writer.h"

namespace hil {
namespace {

const uint8_t kBuildId[] HIL_FLASH_CONST = {HIL_BUILD_ID};
const uint8_t kModelSha256[] HIL_FLASH_CONST = {HIL_MODEL_SHA256};
static_assert(sizeof kBuildId == 16, "HIL_BUILD_ID is 16 bytes");
static_assert(sizeof kModelSha256 == 32, "HIL_MODEL_SHA256 is 32 bytes");
static_assert(HIL_RX_RING_BYTES <= 0xFFFF, "INFO LIMITS has 16 bits for the receive buffer");

const size_t kUidBytesMax = 16;

uint32_t element_bytes(uint8_t dtype) {
  switch (dtype) {
    case HIL_DTYPE_INT8:
    case HIL_DTYPE_UINT8:
      return 1;
    case HIL_DTYPE_INT16:
      return 2;
    case HIL_DTYPE_FLOAT32:
    case HIL_DTYPE_INT32:
      return 4;
    default:
      return 0;
  }
}

void tensor_tlv(TlvWriter& out, uint8_t tag, const TensorInfo& tensor) {
  out.begin(tag);
  out.u8(tensor.dtype);
  out.u8(tensor.ndim);
  for (uint8_t i = 0; i < tensor.ndim && i < kMaxTensorDims; ++i) out.u16(tensor.dims[i]);
  out.f32(tensor.scale);
  out.u32(static_cast<uint32_t>(tensor.zero_point));
  out.end();
}

void arena_tlv(TlvWriter& out, uint8_t tag, const EngineStatus& engine) {
  out.begin(tag);
  out.u32(HIL_ARENA_CAPACITY);
  out.u32(arena_bytes());
  out.u32(engine.code == 0 ? engine_arena_used() : 0);
  out.end();
}

void known_u32_tlv(TlvWriter& out, uint8_t tag, uint32_t value) {
  if (value != UINT32_MAX) out.u32_tlv(tag, value);
}

}  // namespace

uint32_t tensor_bytes(const TensorInfo& tensor) {
  uint32_t bytes = element_bytes(tensor.dtype);
  if (bytes == 0) return UINT32_MAX;
  for (uint8_t i = 0; i < tensor.ndim && i < kMaxTensorDims; ++i) {
    if (tensor.dims[i] != 0 && bytes > UINT32_MAX / tensor.dims[i]) return UINT32_MAX;
    bytes *= tensor.dims[i];
  }
  return bytes;
}

size_t write_info(uint8_t* body, size_t capacity, uint32_t nonce, const EngineStatus& engine) {
  TlvWriter out(body, capacity);
  out.u32(nonce);
  out.u8_tlv(HIL_INFO_TAG_PROTOCOL_VERSION, HIL_PROTOCOL_VERSION);
  out.begin(HIL_INFO_TAG_LIMITS);
  out.u16(HIL_MAX_FRAME_BYTES);
  out.u16(HIL_RX_RING_BYTES);
  out.end();
  out.flash_tlv(HIL_INFO_TAG_BUILD_ID, kBuildId, sizeof kBuildId);
  out.flash_tlv(HIL_INFO_TAG_MODEL_SHA256, kModelSha256, sizeof kModelSha256);
  out.text_tlv(HIL_INFO_TAG_BOARD, HIL_BOARD_ID);
  out.text_tlv(HIL_INFO_TAG_MCU, HIL_MCU);
  out.text_tlv(HIL_INFO_TAG_ENGINE, engine_name());
  out.text_tlv(HIL_INFO_TAG_ENGINE_VERSION, engine_version());
  for (uint8_t i = 0; i < engine_input_count(); ++i) tensor_tlv(out, HIL_INFO_TAG_INPUT, engine_input_info(i));
  for (uint8_t i = 0; i < engine_output_count(); ++i) tensor_tlv(out, HIL_INFO_TAG_OUTPUT, engine_output_info(i));
  arena_tlv(out, HIL_INFO_TAG_ARENA, engine);
  out.begin(HIL_INFO_TAG_CLOCK);
  out.u32(hil_platform_cpu_hz());
  out.u32(hil_platform_tick_hz());
  out.end();
  out.begin(HIL_INFO_TAG_BOOT);
  out.u8(hil_platform_reset_reason());
  out.u32(hil_platform_boot_count());
  out.end();
  uint8_t uid[kUidBytesMax];
  size_t uid_bytes = hil_platform_uid(uid, sizeof uid);
  if (uid_bytes != 0) {
    out.begin(HIL_INFO_TAG_DEVICE_UID);
    out.bytes(uid, uid_bytes);
    out.end();
  }
  /* Last, because its text is cut to the room that is left. */
  out.begin(HIL_INFO_TAG_ENGINE_STATUS);
  out.u8(engine.code);
  out.u32(engine.detail);
  out.text(engine.text);
  out.end();
  return out.size();
}

size_t write_stats(uint8_t* body, size_t capacity, const EngineStatus& engine, const Receiver& receiver) {
  TlvWriter out(body, capacity);
  out.u32_tlv(HIL_STATS_TAG_RX_FRAMES, receiver.frames());
  out.u32_tlv(HIL_STATS_TAG_RX_BAD_FRAMES, receiver.bad_frames());
  out.u32_tlv(HIL_STATS_TAG_RX_OVERRUNS, hil_platform_rx_overruns());
  out.u8_tlv(HIL_STATS_TAG_ARENA_GUARD, arena_guard_intact() ? 1 : 0);
  arena_tlv(out, HIL_STATS_TAG_ARENA, engine);
  known_u32_tlv(out, HIL_STATS_TAG_STACK_BYTES, hil_platform_stack_bytes());
  known_u32_tlv(out, HIL_STATS_TAG_STACK_FREE_MIN, hil_platform_stack_free_min());
  known_u32_tlv(out, HIL_STATS_TAG_HEAP_FREE_MIN, hil_platform_heap_free_min());
  const uint8_t memory = hil_platform_memory_kind(arena_start());
  if (memory != 0) out.u8_tlv(HIL_STATS_TAG_ARENA_MEMORY, memory);
  return out.size();
}

}  // namespace hil
