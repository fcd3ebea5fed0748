/* The requests the engine answers: INFER, LAYER_TRACE, SET_ARENA, RESET_STATE. */
#ifndef HIL_ENGINE_REQUESTS_H
#define HIL_ENGINE_REQUESTS_H

#include <stdint.h>

#include "hil_engine.h"
#include "hil_exchange.h"

namespace hil {

/* Measures the model's tensors. Call once at a boot. */
void engine_requests_begin();

/* Makes the engine ready in an arena of `bytes`; engine_status() says whether it is. */
void start_engine(uint32_t bytes);
const EngineStatus& engine_status();

/* Clears recurrent state, if there is an engine to hold any. */
void clear_state();

void handle_infer(const Request& request);
void handle_layer_trace(const Request& request);
void handle_set_arena(const Request& request);

}  // namespace hil
#endif
