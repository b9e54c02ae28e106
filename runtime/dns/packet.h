/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages (RFC 1035, RFC 6891), read and written by ldns. Each message that goes out is made
 * anew from parts that were understood; no bytes are handed on as they came.
 */
#ifndef EBB_DNS_PACKET_H
#define EBB_DNS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wire/net_records.h"

#define PACKET_UDP_BYTES   1232 /* our word in EDNS; so many fit every path (DNS flag day 2020) */
#define PACKET_PLAIN_BYTES 512  /* without EDNS */
#define PACKET_NAME_SIZE   256

struct packet;                      /* a message as ldns holds it */
void packet_free(struct packet *p); /* NULL is fine */

enum packet_rcode {
	PACKET_NOERROR = 0,
	PACKET_FORMERR = 1,
	PACKET_SERVFAIL = 2,
	PACKET_NXDOMAIN = 3,
	PACKET_NOTIMP = 4,
	PACKET_REFUSED = 5
};

/* The part of a question that decides. */
struct packet_question {
	char name[PACKET_NAME_SIZE]; /* small letters, without the dot at the end; printable */
	bool is_a;                   /* an IPv4 address */
	size_t udp_bytes;            /* of an answer over UDP at most */
};

/* Reads a question. 0 with the packet, which is the caller's; 0 with *out_rcode > 0, too, if the
 * answer is that error. -EBADMSG: it is no question, or cannot be read; nothing answers it but
 * packet_write_unread. */
int packet_read_question(const uint8_t *bytes, size_t size, struct packet **out,
			 struct packet_question *out_question, int *out_rcode);
/* The question, as it is sent on. The bytes are the caller's (free); NULL: no memory. */
uint8_t *packet_write_question(const struct packet *asked, uint16_t id, size_t *out_size);

/* An answer to that question. */
struct packet_answer {
	struct packet *packet;
	bool cut;       /* to be asked again over TCP */
	bool failed;    /* the resolver itself failed, or refused */
	bool dropped;   /* it had addresses that its reader must not see */
	uint32_t ttl_s; /* of the addresses to open, the longest */
	uint32_t open_count;
	uint8_t open[NET_OPEN_MAX][16];
};
/* Reads the answer to `asked` that was sent on with this id, and leaves out what egress does not
 * let through. 0, or -EBADMSG: it is none. */
int packet_read_answer(const uint8_t *bytes, size_t size, const struct packet *asked, uint16_t id,
		       const struct wire_egress *egress, struct packet_answer *out);

/* Writes an answer of ours without records, or with one IPv4 address (address not NULL), or the one
 * that was read (answer not NULL). More than most bytes become "truncated". The bytes are the
 * caller's; NULL: no memory. */
uint8_t *packet_write_answer(const struct packet *asked, const struct packet *answer, int rcode,
			     const uint8_t *address, size_t most, size_t *out_size);
/* Twelve bytes that say FORMERR to what could not be read. False: it was no question at all. */
bool packet_write_unread(const uint8_t *bytes, size_t size, uint8_t out[12]);

#endif
