/* The whole firmware: a session for ever. Everything that depends on the board is in platform/, on the model in the engine. */
#include "hil_session.h"

#if defined(ARDUINO)

#include <Arduino.h>

void setup() { hil::session_begin(); }

void loop() { hil::session_poll(); }

#else

int main() {
  hil::session_begin();
  for (;;) hil::session_poll();
}

#endif
