/* The requests about the line itself, BAUD and LINK_TEST, and what of them only time can end. */
#ifndef HIL_LINE_REQUESTS_H
#define HIL_LINE_REQUESTS_H

#include <stdint.h>

#include "hil_exchange.h"

namespace hil {

/* HIL_BAUD, and no test. */
void line_begin();

void handle_baud(const Request& request);
void handle_link_test(const Request& request);

/* True if `byte` belongs to the pattern of a LINK_TEST; the last one is answered. */
bool line_test_takes(uint8_t byte);

/* A frame has been heard and answered: the line's lease begins anew. */
void line_renew_lease();

/* Call in each round, `heard` if the round brought a byte: gives up a rate at which nobody talks to us, and a pattern that stopped. */
void line_watch(bool heard);

}  // namespace hil
#endif
