// SPDX-License-Identifier: Apache-2.0
/*
 * The accept queue of a listener inside a namespace (sock_diag(7)). The netlink socket is made
 * inside, as all other sockets are. The kernel answers a dump of listening sockets before send(2)
 * returns, so nothing here waits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/netns.h"
#include "runtime/base/fd.h"

#define STATE_LISTEN 10 /* TCP_LISTEN of linux/tcp_states.h; unix sockets use it too */
#define ANSWER_BYTES 16384

struct wanted {
	uint16_t port;
	const char *unix_name;
	struct netns_queue *fullest;
	bool found;
};

static void note(struct wanted *w, uint32_t length, uint32_t max)
{
	uint32_t room = max > length ? max - length : 0;
	uint32_t least =
		w->fullest->max > w->fullest->length ? w->fullest->max - w->fullest->length : 0;

	if (!w->found || room < least)
		*w->fullest = (struct netns_queue){.length = length, .max = max};
	w->found = true;
}

static void note_inet(struct wanted *w, const struct inet_diag_msg *m)
{
	if (m->idiag_state == STATE_LISTEN && m->id.idiag_sport == htons(w->port))
		note(w, m->idiag_rqueue, m->idiag_wqueue);
}

static void note_unix(struct wanted *w, const struct unix_diag_msg *m, size_t size)
{
	const struct unix_diag_rqlen *queue = NULL;
	size_t want = strlen(w->unix_name);
	bool named = false;
	const struct rtattr *a = (const void *)(m + 1);
	unsigned int left = (unsigned int)size;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == UNIX_DIAG_NAME)
			named = RTA_PAYLOAD(a) == want + 1 &&
				memcmp((const char *)RTA_DATA(a) + 1, w->unix_name, want) == 0;
		else if (a->rta_type == UNIX_DIAG_RQLEN && RTA_PAYLOAD(a) >= sizeof(*queue))
			queue = RTA_DATA(a);
	}
	if (named && queue)
		note(w, queue->udiag_rqueue, queue->udiag_wqueue);
}

/* One datagram of the answer. 1 it was the last, 0 there is more, -errno. */
static int read_answer(int fd, struct wanted *w)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *h = (const void *)buf;
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	unsigned int left = n < 0 ? 0 : (unsigned int)n;

	if (n < 0)
		return -errno;
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			continue;
		if (w->unix_name && NLMSG_PAYLOAD(h, 0) >= sizeof(struct unix_diag_msg))
			note_unix(w, NLMSG_DATA(h),
				  NLMSG_PAYLOAD(h, 0) - sizeof(struct unix_diag_msg));
		else if (!w->unix_name && NLMSG_PAYLOAD(h, 0) >= sizeof(struct inet_diag_msg))
			note_inet(w, NLMSG_DATA(h));
	}
	return 0;
}

static int ask(int fd, const void *body, size_t size, struct wanted *w)
{
	struct {
		struct nlmsghdr head;
		char body[sizeof(struct inet_diag_req_v2)];
	} message = {.head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
			      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	int r;

	memcpy(message.body, body, size);
	if (send(fd, &message, message.head.nlmsg_len, MSG_DONTWAIT) < 0)
		return -errno;
	do
		r = read_answer(fd, w);
	while (r == 0);
	return r < 0 ? r : 0;
}

static int ask_inet(int fd, struct wanted *w, uint8_t family)
{
	struct inet_diag_req_v2 body = {.sdiag_family = family,
					.sdiag_protocol = IPPROTO_TCP,
					.idiag_states = 1u << STATE_LISTEN,
					.id = {.idiag_sport = htons(w->port)}};

	return ask(fd, &body, sizeof(body), w);
}

static int ask_unix(int fd, struct wanted *w)
{
	struct unix_diag_req body = {.sdiag_family = AF_UNIX,
				     .udiag_states = 1u << STATE_LISTEN,
				     .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN};

	return ask(fd, &body, sizeof(body), w);
}

/* [::] takes connections to 127.0.0.1 too. */
static int ask_all(int fd, struct wanted *w)
{
	int r = w->unix_name ? ask_unix(fd, w) : ask_inet(fd, w, AF_INET);

	if (r == 0 && !w->unix_name)
		r = ask_inet(fd, w, AF_INET6);
	return r < 0 ? r : w->found;
}

int netns_queue(int net_ns_fd, int home_ns_fd, uint16_t port, const char *unix_name,
		struct netns_queue *out)
{
	struct netns_queue fullest = {0};
	struct wanted w = {.port = port, .unix_name = port ? NULL : unix_name, .fullest = &fullest};
	SCOPED_FD fd = -1;
	int r;

	if (setns(net_ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	r = fd < 0 ? -errno : 0;
	if (netns_leave(home_ns_fd) < 0)
		return -ENOTRECOVERABLE;
	if (r == 0)
		r = ask_all(fd, &w);
	if (r == 1)
		*out = fullest;
	return r;
}
