/* Constants that must stay out of RAM on AVR, where .rodata is copied into RAM. */
#ifndef HIL_FLASH_H
#define HIL_FLASH_H

#if defined(__AVR__)
#include <avr/pgmspace.h>
#define HIL_FLASH_CONST PROGMEM
#define HIL_FLASH_READ_U8(address) pgm_read_byte(address)
#define HIL_FLASH_READ_U32(address) pgm_read_dword(address)
#else
#define HIL_FLASH_CONST
#define HIL_FLASH_READ_U8(address) (*(address))
#define HIL_FLASH_READ_U32(address) (*(address))
#endif

#endif
