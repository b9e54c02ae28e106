// SPDX-License-Identifier: Apache-2.0
#include "runtime/wire/channel.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

/* Room for a burst of records. The kernel doubles the number; without the right for SO_SNDBUFFORCE,
 * net.core.wmem_max caps it (socket(7)). */
#define SEND_BUFFER_BYTES (1 << 20)

void wire_message_fini(struct wire_message *m)
{
	for (unsigned int i = 0; i < m->fd_count; i++)
		fd_close(&m->fds[i]);
	m->fd_count = 0;
}

int wire_pair(int *a_fd, int *b_fd)
{
	const int bytes = SEND_BUFFER_BYTES;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
			(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	*a_fd = pair[0];
	*b_fd = pair[1];
	return 0;
}

/* Maps "no memory now", and "too many descriptors in flight", to -EAGAIN, as if the socket were
 * full or empty: the caller tries again, and no channel is given up. */
static int channel_error(int error)
{
	bool passes = error == ENOMEM || error == ENOBUFS || error == ETOOMANYREFS;

	return passes ? -EAGAIN : -error;
}

int wire_send(int socket_fd, uint32_t type, const void *record, size_t size, const int *fds,
	      unsigned int fd_count)
{
	struct wire_head head = {.type = type, .size = (uint32_t)size};
	struct iovec parts[2] = {
		{.iov_base = &head, .iov_len = sizeof(head)},
		{.iov_base = (void *)(uintptr_t)record, .iov_len = size},
	};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = size ? 2 : 1};

	must(size <= WIRE_RECORD_MAX && fd_count <= WIRE_FDS_MAX);
	if (fd_count > 0) {
		struct cmsghdr *c;

		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
	}
	for (;;) {
		if (sendmsg(socket_fd, &msg, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno != EINTR)
			return channel_error(errno);
	}
}

/* Collects the descriptors of a received message into m. */
static void take_fds(struct wire_message *m, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		must(m->fd_count + count <= WIRE_FDS_MAX);
		memcpy(m->fds + m->fd_count, CMSG_DATA(c), count * sizeof(int));
		m->fd_count += (unsigned int)count;
	}
}

/* Else the kernel would put one more into the padding, and take_fds() would end its program. */
_Static_assert(CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX) == CMSG_LEN(sizeof(int) * WIRE_FDS_MAX),
	       "there is no room for a descriptor too many");

int wire_recv(int socket_fd, struct wire_message *m)
{
	struct iovec parts[2] = {
		{.iov_base = &m->head, .iov_len = sizeof(m->head)},
		{.iov_base = m->record, .iov_len = sizeof(m->record)},
	};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
	struct msghdr msg = {.msg_iov = parts,
			     .msg_iovlen = 2,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	ssize_t n;

	m->fd_count = 0;
	do {
		n = recvmsg(socket_fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return channel_error(errno);
	if (n == 0 && msg.msg_controllen == 0)
		return 0;
	take_fds(m, &msg);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(m->head) ||
	    m->head.size != (size_t)n - sizeof(m->head)) {
		wire_message_fini(m);
		return -EBADMSG;
	}
	return 1;
}

int wire_dispatch(const struct wire_rule *rules, size_t rule_count, uint32_t phase, void *self,
		  struct wire_message *m)
{
	int r = -EPROTO;

	for (size_t i = 0; i < rule_count; i++) {
		const struct wire_rule *rule = &rules[i];

		if (rule->type != m->head.type)
			continue;
		if (rule->size == m->head.size && (rule->phases & phase) &&
		    m->fd_count >= rule->fds_min && m->fd_count <= rule->fds_max)
			r = rule->handle(self, m);
		break;
	}
	if (r != WIRE_LATER)
		wire_message_fini(m);
	return r;
}
