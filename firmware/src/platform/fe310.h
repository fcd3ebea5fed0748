/* What start-up and platform of the FE310 share. */
#ifndef HIL_FE310_H
#define HIL_FE310_H

#include "bare_metal.h"

extern "C" {
void hil_uart_interrupt(void);
}
#endif
