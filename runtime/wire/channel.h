/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records over SOCK_SEQPACKET: one message, one record, one exact size for its type.
 *
 * Every message is a struct wire_head and the record of that type (records.h). Descriptors travel
 * beside it (unix(7), SCM_RIGHTS). A receiver checks a message against a table of (type, size,
 * descriptors, phase) -> handler; any other message ends its peer. That table is the whole attack
 * surface of root, so a new row is a security review.
 */
#ifndef EBB_WIRE_CHANNEL_H
#define EBB_WIRE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_FDS_MAX    64     /* descriptors in one message; the kernel's own limit is 253 */
#define WIRE_RECORD_MAX 65536u /* bytes of the largest record */

struct wire_head {
	uint32_t type; /* enum wire_type */
	uint32_t size; /* bytes of the record behind this head */
};

/* One received message. The receiver owns the descriptors, which are O_CLOEXEC: take them with
 * keep_fd, or wire_message_fini closes them. */
struct wire_message {
	struct wire_head head;
	int fds[WIRE_FDS_MAX];
	unsigned int fd_count;
	_Alignas(16) unsigned char record[WIRE_RECORD_MAX];
};

/* Closes the descriptors that nobody took. */
void wire_message_fini(struct wire_message *m);

/* Makes a connected pair, O_CLOEXEC, with send buffers that hold many records. 0 or -errno. */
int wire_pair(int *a_fd, int *b_fd);

/* Sends one record; fds are borrowed. record may be NULL when size is 0. 0 or -errno: -EAGAIN when
 * the socket is non-blocking and full, or the kernel has no memory for the record now; -EPIPE when
 * the peer is gone. Never raises SIGPIPE. */
int wire_send(int socket_fd, uint32_t type, const void *record, size_t size, const int *fds,
	      unsigned int fd_count);

/* Receives one record. 1 when m holds one, 0 at end of file, or -errno. -EAGAIN: none is there, or
 * the kernel has no memory for it now and keeps it. -EBADMSG: the message or its descriptors were
 * cut, or the size in its head is wrong; m is then empty. */
int wire_recv(int socket_fd, struct wire_message *m);

/* A handler returns this to be called again with the same message: a link keeps the message, and
 * reads nothing behind it, until wire_link_again (link.h). */
#define WIRE_LATER 1

/* One row of the table of a receiver. handle gets a record of exactly size bytes with fds_min to
 * fds_max descriptors. It returns 0, WIRE_LATER, or -errno to end the peer. phases is a bit set
 * with a meaning of the receiver. */
struct wire_rule {
	uint32_t type;
	uint32_t size;
	uint32_t phases;
	uint8_t fds_min, fds_max;
	int (*handle)(void *self, struct wire_message *m);
};

/* Looks the message up and calls its handler. -EPROTO if no row fits (type, size, descriptors,
 * phase), else the result of the handler. Closes the remaining descriptors of m, unless the result
 * is WIRE_LATER. */
int wire_dispatch(const struct wire_rule *rules, size_t rule_count, uint32_t phase, void *self,
		  struct wire_message *m);

/* "SERVICE_PUT", or "?" for a type that does not exist. */
const char *wire_type_name(uint32_t type);

#endif
