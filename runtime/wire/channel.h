/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records over SOCK_SEQPACKET: one message, one record, one exact size for its type.
 *
 * Every message is a struct wire_head and the record of that type (records.h). Descriptors travel
 * beside it (unix(7), SCM_RIGHTS). A receiver checks what it got against a table of (type, size,
 * descriptors, phase) -> handler; any other message ends that peer. That table is the whole attack
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

/* One received message. The descriptors are the receiver's: take them with keep_fd, or
 * wire_message_fini closes them. They are O_CLOEXEC. */
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

/* Sends one record; fds are borrowed. record may be NULL when size is 0. 0 or -errno (-EAGAIN when
 * the socket is non-blocking and full, or the kernel has no memory for it now; -EPIPE when the peer
 * is gone). Never raises SIGPIPE. */
int wire_send(int socket_fd, uint32_t type, const void *record, size_t size, const int *fds,
	      unsigned int fd_count);

/* Receives one record. 1 when m holds one, 0 at end of file, -errno: -EAGAIN (nothing there, or no
 * memory for it now: it stays there), or -EBADMSG for a cut message, a head whose size is not what
 * came, or cut descriptors (m is then empty). */
int wire_recv(int socket_fd, struct wire_message *m);

/* One row of a receiver's table. handle gets a record of exactly size bytes with exactly fds
 * descriptors; it returns 0, or -errno to end the peer. phases is a bit set of the receiver's own.
 */
struct wire_rule {
	uint32_t type;
	uint32_t size;
	uint32_t phases;
	uint8_t fds_min, fds_max;
	int (*handle)(void *self, struct wire_message *m);
};

/* Looks the message up and calls its handler. -EPROTO if no row fits (type, size, descriptors,
 * phase), else what the handler returns. Always disposes of m's remaining descriptors. */
int wire_dispatch(const struct wire_rule *rules, size_t rule_count, uint32_t phase, void *self,
		  struct wire_message *m);

/* "SERVICE_PUT", or "?" for a type that does not exist. */
const char *wire_type_name(uint32_t type);

#endif
