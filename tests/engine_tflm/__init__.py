"""The engine library hil_engine_tflm: what can be proved without TFLM, and with it."""
