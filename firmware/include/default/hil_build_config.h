/* What `hil` generates for every build, with values for opening firmware/ in an IDE: the host board, no identity.
 * A build id of zeros never matches, so the harness always flashes over such a firmware. */
#ifndef HIL_BUILD_CONFIG_H
#define HIL_BUILD_CONFIG_H

#define HIL_BOARD_ID "host"
#define HIL_MCU "host"
#define HIL_BUILD_ID 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                     /* 16 bytes */
#define HIL_MODEL_SHA256 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 /* 32 bytes */

#define HIL_ARENA_CAPACITY 65536 /* bytes; the largest arena the host may set at run time */
#ifndef ARENA_SIZE
#define ARENA_SIZE 16384 /* bytes; the arena the device starts with */
#endif
#define HIL_MAX_FRAME_BYTES 1024 /* header + body + crc; one such buffer for requests, one for replies */
#define HIL_RX_RING_BYTES 4096   /* encoded bytes held while the device computes */
#define HIL_BAUD 115200

#endif
