/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol, versions 1 and 2 (proxy-protocol.txt of HAProxy): a load balancer in front
 * names the client whose connection it passes on. A pure parser: no sockets, no state, no
 * allocation; bytes behind the header are not looked at. It never guesses: the caller has decided
 * that a header must be there.
 */
#ifndef EBB_HTTP_PROXY_PROTOCOL_H
#define EBB_HTTP_PROXY_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

/* A longer header of version 2 is refused. Addresses take at most 36 bytes, the rest are TLVs. */
#define PROXY_HEADER_MAX 2048

enum proxy_family {
	PROXY_NO_ADDRESS, /* LOCAL, UNKNOWN or UNSPEC: no client is named */
	PROXY_IPV4,
	PROXY_IPV6,
};

struct proxy_protocol {
	enum proxy_family family;
	unsigned char source[16]; /* network order; the first four for IPv4 */
	uint16_t source_port;     /* host order */
};

/* Returns the bytes of the header, 0 if it is not complete, or -EPROTO: there is none, or it is
 * malformed, of another version, of a family or transport that no TCP connection has (UDP, unix),
 * or too long. *out is written only with a positive result. */
long proxy_protocol_parse(const void *data, size_t size, struct proxy_protocol *out);

#endif
