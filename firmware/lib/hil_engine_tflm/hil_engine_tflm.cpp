/* The engine interface (hil_engine.h) over TFLM's raw API.
 *
 * hil_model.h is the header a sketch for TFLM has: tfModel, TF_NUM_OPS and registerNetworkOps, which adds the operators of the model to a
 * resolver of exactly that many.
 *
 * TFLM takes no memory but the arena, and the session overwrites the arena before each engine_init: so an interpreter is never destroyed
 * (its destructor would walk through structures that are gone), only forgotten, and nothing leaks.
 */
#include <string.h>

#include "hil_build_config.h"
#include "hil_engine.h"
#include "hil_model.h"
#include "hil_protocol_ids.h"
#include "hil_tflm_compat.h"
#include "hil_tflm_debug_log.h"
#include "hil_tflm_noinit.h"
#include "hil_tflm_profile.h"

namespace hil {

using tflm::g_log;

namespace {

enum { kSchemaVersion = 3 };

/* Below that not even TFLM's own objects fit, and it goes through null pointers instead of saying so. */
enum { kLeastArenaBytes = 256 };

struct Network {
  tflite::MicroMutableOpResolver<TF_NUM_OPS> resolver;
};

alignas(Network) uint8_t g_network_place[sizeof(Network)];
alignas(tflite::MicroInterpreter) uint8_t g_interpreter_place[sizeof(tflite::MicroInterpreter)];

tflite::MicroInterpreter* g_interpreter; /* null: not ready */
bool g_reset_failed;

/* A start that never came back. A board whose first arena crashes TFLM would do so at every boot, and nobody could set another. */
struct StartMark {
  uint32_t build; /* of the build it belongs to; anything else: garbage, or no start under way */
  uint32_t bytes;
};
HIL_TFLM_NOINIT StartMark g_start;

const uint8_t kBuildId[] = {HIL_BUILD_ID};

uint32_t build_mark() {
  uint32_t mark;
  memcpy(&mark, kBuildId, sizeof mark);
  return mark ^ 0x54464C4Du;
}

const tflite::Model* model() { return tflite::GetModel(tfModel); }

EngineStatus status(uint8_t code, uint32_t detail, const char* text) {
  EngineStatus s;
  s.code = code;
  s.detail = detail;
  s.text = text;
  return s;
}

/* What TFLM said, or if it said nothing what failed. */
const char* said_or(const char* otherwise) { return g_log.used != 0 ? g_log.text : otherwise; }

typedef flatbuffers::Vector<int32_t> Indices;

const tflite::SubGraph* graph() { return model()->subgraphs()->Get(0); }
const Indices* indices(bool output) { return output ? graph()->outputs() : graph()->inputs(); }

uint8_t wire_dtype(tflite::TensorType type) {
  switch (type) {
    case tflite::TensorType_FLOAT32:
      return HIL_DTYPE_FLOAT32;
    case tflite::TensorType_INT8:
      return HIL_DTYPE_INT8;
    case tflite::TensorType_INT16:
      return HIL_DTYPE_INT16;
    case tflite::TensorType_INT32:
      return HIL_DTYPE_INT32;
    case tflite::TensorType_UINT8:
      return HIL_DTYPE_UINT8;
    default:
      return 0;
  }
}

/* From the model in flash, so it is there before init too. dtype 0: a type or shape that does not go over the wire. */
TensorInfo tensor_info(uint8_t index, bool output) {
  TensorInfo info;
  memset(&info, 0, sizeof info);
  if (index >= indices(output)->size()) return info;
  const tflite::Tensor* tensor = graph()->tensors()->Get(static_cast<uint32_t>(indices(output)->Get(index)));
  const uint32_t dims = tensor->shape() != nullptr ? tensor->shape()->size() : 0;
  if (dims > kMaxTensorDims + 1) return info;
  for (uint32_t i = 1; i < dims; ++i) { /* 0 is the batch */
    const int32_t dim = tensor->shape()->Get(i);
    if (dim < 1 || dim > 0xFFFF) return info;
    info.dims[info.ndim++] = static_cast<uint16_t>(dim);
  }
  info.dtype = wire_dtype(tensor->type());
  const tflite::QuantizationParameters* quantization = tensor->quantization();
  if (quantization != nullptr && quantization->scale() != nullptr && quantization->scale()->size() == 1) {
    info.scale = quantization->scale()->Get(0);
    if (quantization->zero_point() != nullptr && quantization->zero_point()->size() == 1) {
      info.zero_point = static_cast<int32_t>(quantization->zero_point()->Get(0));
    }
  }
  return info;
}

/* Bytes of a tensor on the wire; 0 if it doesn't go over it. */
size_t tensor_bytes(const TensorInfo& info) {
  size_t bytes = info.dtype == 0                                                 ? 0
                 : info.dtype == HIL_DTYPE_INT8 || info.dtype == HIL_DTYPE_UINT8 ? 1
                 : info.dtype == HIL_DTYPE_INT16                                 ? 2
                                                                                 : 4;
  for (uint8_t i = 0; i < info.ndim; ++i) bytes *= info.dims[i];
  return bytes;
}

bool agrees(const TfLiteTensor* tensor, const TensorInfo& info) {
  return tensor != nullptr && info.dtype != 0 && tensor->bytes == tensor_bytes(info) && tensor->data.raw != nullptr;
}

/* A library built with other macros than this file has other structures, and would compute with what lies beside its numbers. */
EngineStatus disagreement() {
  return status(HIL_ERR_INTERNAL, 0, "the tensors are not those of the model: was the library built without TF_LITE_STATIC_MEMORY?");
}

EngineStatus start(uint8_t* arena, uint32_t bytes) {
  if (model()->version() != kSchemaVersion) return status(HIL_ERR_MODEL_INVALID, 0, "the model is of another schema version");
  if (bytes < kLeastArenaBytes) return status(HIL_ERR_ARENA_TOO_SMALL, 0, "not even TFLM's own objects fit");
  Network* network = new (g_network_place) Network();
  registerNetworkOps(*network);
  tflite::MicroInterpreter* made = tflm::make_interpreter<tflite::MicroInterpreter>(
      g_interpreter_place, model(), network->resolver, arena, bytes, tflm::error_reporter(), tflm::profiler(), tflm::TakesErrorReporter());
  if (made->AllocateTensors() != kTfLiteOk) {
    if (tflm::blames_model(g_log.text)) return status(HIL_ERR_MODEL_INVALID, 0, g_log.text);
    return status(HIL_ERR_ARENA_TOO_SMALL, tflm::missing_bytes(g_log.text), said_or("AllocateTensors() failed"));
  }
  for (uint8_t i = 0; i < made->inputs_size(); ++i) {
    if (!agrees(made->input(i), tensor_info(i, false))) return disagreement();
  }
  for (uint8_t i = 0; i < made->outputs_size(); ++i) {
    if (!agrees(made->output(i), tensor_info(i, true))) return disagreement();
  }
  g_interpreter = made;
  return status(0, 0, "");
}

}  // namespace

const char* engine_name() { return "tflm"; }
const char* engine_version() { return tflm::vintage(); }

EngineStatus engine_init(uint8_t* arena, uint32_t bytes) {
  g_interpreter = nullptr;
  g_reset_failed = false;
  if (g_start.build == build_mark() && g_start.bytes == bytes) {
    g_start.build = 0; /* the next attempt is the host's own wish */
    return status(HIL_ERR_ARENA_TOO_SMALL, 0, "crashed at start with this arena, in the boot before");
  }
  g_log.clear();
  g_start.bytes = bytes;
  g_start.build = build_mark();
  const EngineStatus result = start(arena, bytes);
  g_start.build = 0;
  return result;
}

uint32_t engine_arena_used() { return g_interpreter != nullptr ? static_cast<uint32_t>(g_interpreter->arena_used_bytes()) : 0; }

uint8_t engine_input_count() { return static_cast<uint8_t>(indices(false)->size()); }
uint8_t engine_output_count() { return static_cast<uint8_t>(indices(true)->size()); }
TensorInfo engine_input_info(uint8_t index) { return tensor_info(index, false); }
TensorInfo engine_output_info(uint8_t index) { return tensor_info(index, true); }

void engine_reset_state() {
#if !defined(HIL_TEST_TFLM_NO_RESET) /* for the test that shows that the harness notices leaking state */
  if (g_interpreter == nullptr) return;
  g_log.clear();
  g_reset_failed = tflm::reset(g_interpreter, 0) != kTfLiteOk;
#endif
}

void engine_set_input(uint8_t index, const uint8_t* data) {
  if (g_interpreter == nullptr || index >= g_interpreter->inputs_size()) return;
  TfLiteTensor* tensor = g_interpreter->input(index);
  if (tensor != nullptr) memcpy(tensor->data.raw, data, tensor_bytes(tensor_info(index, false)));
}

EngineStatus engine_invoke() {
  if (g_interpreter == nullptr) return status(HIL_ERR_ENGINE_NOT_READY, 0, "engine is not initialised");
  if (g_reset_failed) return status(HIL_ERR_INVOKE_FAILED, 0, said_or("Reset() failed"));
  g_log.clear();
  tflm::profile_begin();
  if (g_interpreter->Invoke() != kTfLiteOk) return status(HIL_ERR_INVOKE_FAILED, 0, said_or("Invoke() failed"));
  return status(0, 0, "");
}

void engine_get_output(uint8_t index, uint8_t* out) {
  const size_t bytes = tensor_bytes(tensor_info(index, true));
  TfLiteTensor* tensor = g_interpreter != nullptr && index < g_interpreter->outputs_size() ? g_interpreter->output(index) : nullptr;
  if (tensor != nullptr) {
    memcpy(out, tensor->data.raw, bytes);
  } else {
    memset(out, 0, bytes); /* a caller that didn't look at the status gets zeros, not what lay in its buffer */
  }
  if (index == 0) tflm::profile_send();
}

}  // namespace hil
