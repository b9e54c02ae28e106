/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a client: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#ifndef EBB_GATEWAY_ADDRESS_H
#define EBB_GATEWAY_ADDRESS_H

struct address {
	unsigned char bytes[16];
};

#endif
