/* What start-up and platform of the STM32F405 share. */
#ifndef HIL_STM32F405_H
#define HIL_STM32F405_H

#include "bare_metal.h"

extern "C" {
void USART1_IRQHandler(void);
void SysTick_Handler(void);
}
#endif
