// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define MESSAGE_FDS_MAX 12

union rights {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
};

int message_send(int socket_fd, const struct iovec *parts, size_t part_count, const int *fds,
		 size_t fd_count, int flags)
{
	union rights rights = {0};
	struct msghdr m = {.msg_iov = (struct iovec *)parts, .msg_iovlen = part_count};
	ssize_t n;

	must(fd_count <= MESSAGE_FDS_MAX);
	if (fd_count > 0) {
		m.msg_control = rights.bytes;
		m.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		rights.align.cmsg_level = SOL_SOCKET;
		rights.align.cmsg_type = SCM_RIGHTS;
		rights.align.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&rights.align), fds, fd_count * sizeof(int));
	}
	do
		n = sendmsg(socket_fd, &m, MSG_NOSIGNAL | flags);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Moves descriptors out of the control message; those beyond fd_max are closed. */
static size_t take_fds(struct msghdr *m, int *fds, size_t fd_max)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t count, kept = 0;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (kept < fd_max)
			fds[kept++] = fd;
		else
			fd_close(&fd);
	}
	return kept;
}

ssize_t message_recv(int socket_fd, const struct iovec *parts, size_t part_count, int *fds,
		     size_t fd_max, size_t *out_fd_count, int flags)
{
	union rights rights = {0};
	struct msghdr m = {.msg_iov = (struct iovec *)parts,
			   .msg_iovlen = part_count,
			   .msg_control = rights.bytes,
			   .msg_controllen = sizeof(rights.bytes)};
	size_t count;
	ssize_t n;

	must(fd_max <= MESSAGE_FDS_MAX);
	do
		n = recvmsg(socket_fd, &m, MSG_CMSG_CLOEXEC | flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	count = take_fds(&m, fds, fd_max);
	if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		for (size_t i = 0; i < count; i++)
			fd_close(&fds[i]);
		return -EBADMSG;
	}
	*out_fd_count = count;
	return n;
}
