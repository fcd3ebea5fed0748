/* The engine interface (hil_engine.h) over a blob in flash. */
#include <string.h>

#include "hil_engine.h"
#include "hil_protocol_ids.h"
#include "rnn_dispatch.h"
#include "rnn_flash.h"
#include "rnn_format.h"

#if defined(HIL_RNN_MODEL_POINTER)
/* Test builds: the blob comes at run time. 16-byte aligned; hil_rnn_model_bytes bytes may be read. */
extern const uint8_t* hil_rnn_model;
extern uint32_t hil_rnn_model_bytes;
#else
#include "hil_model.h"
static const uint8_t* const hil_rnn_model = hil_model;
static const uint32_t hil_rnn_model_bytes = sizeof hil_model;
#endif

namespace hil {

using rnn::BlobHeader;
using rnn::Model;
using rnn::OpHeader;
using rnn::TensorRecord;

namespace {

Model g_model; /* arena null: not ready */

/* Reads the header; false if it isn't one of this version or leaves the blob. */
bool read_header(BlobHeader* header) {
  if (hil_rnn_model_bytes < sizeof *header) return false;
  rnn::flash_copy(header, hil_rnn_model, sizeof *header);
  const uint32_t tensors = (uint32_t(header->input_count) + header->output_count) * sizeof(TensorRecord);
  return header->magic == rnn::kMagic && header->version == rnn::kFormatVersion && header->blob_bytes <= hil_rnn_model_bytes &&
         header->blob_bytes >= sizeof *header + tensors && header->input_count != 0 && header->output_count != 0 &&
         header->arena_bytes <= rnn::kMaxArenaBytes && header->state_bytes <= header->arena_bytes && header->op_count <= 0xFFFF;
}

/* Record of input `index`, or of output `index - input_count`. The header has been checked. */
TensorRecord tensor_record(uint8_t index, bool output, const BlobHeader& header) {
  TensorRecord record;
  const uint32_t place = index + (output ? uint32_t(header.input_count) : 0u);
  rnn::flash_copy(&record, hil_rnn_model + sizeof(BlobHeader) + place * sizeof record, sizeof record);
  return record;
}

/* 0: no type this engine knows. */
uint32_t element_bytes(const TensorRecord& record) {
  switch (record.dtype) {
    case HIL_DTYPE_FLOAT32:
      return 4;
    case HIL_DTYPE_INT16:
      return 2;
    case HIL_DTYPE_INT8:
      return 1;
    default:
      return 0;
  }
}

/* Number of elements of a tensor; 0 if the record is malformed or larger than any arena. */
uint32_t tensor_count(const TensorRecord& record) {
  if (element_bytes(record) == 0 || record.ndim == 0 || record.ndim > kMaxTensorDims) return 0;
  uint32_t floats = 1;
  for (uint8_t i = 0; i < record.ndim; ++i) {
    if (record.dims[i] == 0 || floats > rnn::kMaxArenaBytes / 4 / record.dims[i]) return 0;
    floats *= record.dims[i];
  }
  return floats;
}

uint32_t tensor_bytes(const TensorRecord& record) { return tensor_count(record) * element_bytes(record); }

TensorInfo tensor_info(uint8_t index, bool output) {
  TensorInfo info;
  memset(&info, 0, sizeof info);
  BlobHeader header;
  if (!read_header(&header) || index >= (output ? header.output_count : header.input_count)) return info;
  const TensorRecord record = tensor_record(index, output, header);
  if (tensor_count(record) == 0) return info;
  info.dtype = record.dtype;
  info.ndim = record.ndim;
  memcpy(info.dims, record.dims, sizeof info.dims);
  info.scale = record.scale;
  info.zero_point = record.zero_point;
  return info;
}

/* Where a tensor lies in the arena, and its bytes; null when not ready or there is no such tensor. */
uint8_t* tensor_data(uint8_t index, bool output, uint32_t* bytes) {
  BlobHeader header;
  if (g_model.arena == nullptr || !read_header(&header) || index >= (output ? header.output_count : header.input_count)) return nullptr;
  const TensorRecord record = tensor_record(index, output, header);
  *bytes = tensor_bytes(record);
  return g_model.arena + record.arena;
}

EngineStatus status(uint8_t code, uint32_t detail, const char* text) {
  EngineStatus s;
  s.code = code;
  s.detail = detail;
  s.text = text;
  return s;
}

EngineStatus invalid(uint32_t offset) { return status(HIL_ERR_MODEL_INVALID, offset, "model blob is damaged or of another version"); }

}  // namespace

const char* engine_name() { return "rnn"; }
const char* engine_version() { return "2.0.0"; }

EngineStatus engine_init(uint8_t* arena, uint32_t bytes) {
  g_model.arena = nullptr;
  BlobHeader header;
  if (!read_header(&header)) return invalid(0);

  Model model;
  model.blob = hil_rnn_model;
  model.blob_bytes = header.blob_bytes;
  model.arena = nullptr;
  model.arena_bytes = header.arena_bytes;
  model.state_bytes = header.state_bytes;
  model.op_count = header.op_count;
  model.ops = header.ops;

  const uint8_t tensors = uint8_t(header.input_count + header.output_count);
  if (tensors < header.input_count) return invalid(0);
  for (uint8_t i = 0; i < tensors; ++i) {
    const TensorRecord record = tensor_record(i, false, header);
    const uint32_t bytes = tensor_bytes(record);
    if (bytes == 0 || !model.arena_holds(record.arena, (bytes + 3) / 4)) return invalid(sizeof header + uint32_t(i) * sizeof record);
  }

  uint32_t at = header.ops;
  for (uint32_t i = 0; i < header.op_count; ++i) {
    if ((at & 3u) != 0 || at > model.blob_bytes || model.blob_bytes - at < sizeof(OpHeader)) return invalid(at);
    const OpHeader op = rnn::read_record<OpHeader>(model, at);
    if (op.bytes < sizeof op || op.bytes > model.blob_bytes - at) return invalid(at);
    if (!rnn::op_check(op.kind, model, at)) return invalid(at);
    at += op.bytes;
  }

  if (bytes < header.arena_bytes) return status(HIL_ERR_ARENA_TOO_SMALL, header.arena_bytes - bytes, "arena too small");
  memset(arena, 0, header.arena_bytes);
  model.arena = arena;
  g_model = model;
  return status(0, 0, "");
}

uint32_t engine_arena_used() { return g_model.arena != nullptr ? g_model.arena_bytes : 0; }

uint8_t engine_input_count() {
  BlobHeader header;
  return read_header(&header) ? header.input_count : uint8_t(0);
}

uint8_t engine_output_count() {
  BlobHeader header;
  return read_header(&header) ? header.output_count : uint8_t(0);
}

TensorInfo engine_input_info(uint8_t index) { return tensor_info(index, false); }
TensorInfo engine_output_info(uint8_t index) { return tensor_info(index, true); }

void engine_reset_state() {
  if (g_model.arena != nullptr) memset(g_model.arena, 0, g_model.state_bytes);
}

void engine_set_input(uint8_t index, const uint8_t* data) {
  uint32_t bytes = 0;
  uint8_t* to = tensor_data(index, false, &bytes);
  if (to != nullptr) memcpy(to, data, bytes);
}

EngineStatus engine_invoke() {
  if (g_model.arena == nullptr) return status(HIL_ERR_ENGINE_NOT_READY, 0, "engine is not initialised");
  engine_run_ops(0, uint16_t(g_model.op_count));
  return status(0, 0, "");
}

uint16_t engine_op_count() { return g_model.arena != nullptr ? uint16_t(g_model.op_count) : uint16_t(0); }

void engine_run_ops(uint16_t first, uint16_t end) {
  if (g_model.arena == nullptr) return;
  uint32_t at = g_model.ops;
  for (uint16_t i = 0; i < end; ++i) {
    const OpHeader op = rnn::read_record<OpHeader>(g_model, at);
    if (i >= first) rnn::op_run(op.kind, g_model, at);
    at += op.bytes;
  }
}

void engine_get_output(uint8_t index, uint8_t* out) {
  uint32_t bytes = 0;
  const uint8_t* from = tensor_data(index, true, &bytes);
  if (from != nullptr) {
    memcpy(out, from, bytes);
    return;
  }
  BlobHeader header; /* not ready: a caller that didn't look at the status gets zeros, not what lay in its buffer */
  if (read_header(&header) && index < header.output_count) memset(out, 0, tensor_bytes(tensor_record(index, true, header)));
}

}  // namespace hil
