// SPDX-License-Identifier: Apache-2.0
/*
 * Dumps of sock_diag(7). An old kind of request, TCPDIAG_GETSOCK, walks the kernel's table of TCP
 * once for both families; one request for each family would walk it twice.
 */
#include "netns/connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/netns.h"
#include "runtime/base/fd.h"

#define BIT(state)   (1u << (state))
#define ANSWER_BYTES 32768

struct dump {
	uint8_t protocol;
	uint32_t count;
	void (*on_connection)(void *self, const struct netns_connection *c);
	void *self;
};

static void copy_address(uint8_t to[16], const __be32 from[4], uint8_t family)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (family == AF_INET6) {
		memcpy(to, from, 16);
		return;
	}
	if (from[0] == 0)
		return;
	memcpy(to, mapped, sizeof(mapped));
	memcpy(to + sizeof(mapped), from, 4);
}

/* The kernel may know less of tcp_info than this build, or more (linux/tcp.h). */
static void read_info(const struct rtattr *a, struct netns_connection *c)
{
	struct tcp_info info = {0};
	size_t size = RTA_PAYLOAD(a);

	memcpy(&info, RTA_DATA(a), size < sizeof(info) ? size : sizeof(info));
	c->known =
		size >= offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof(info.tcpi_bytes_sent);
	c->sent_ms = info.tcpi_last_data_sent;
	c->received_ms = info.tcpi_last_data_recv;
	c->acknowledged_ms = info.tcpi_last_ack_recv;
	c->sent_bytes = info.tcpi_bytes_sent;
	c->received_bytes = info.tcpi_bytes_received;
	c->acknowledged_bytes = info.tcpi_bytes_acked;
}

static void take(struct dump *d, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	struct netns_connection c = {.protocol = d->protocol,
				     .state = m->idiag_state,
				     .owned = m->idiag_inode != 0,
				     .local_port = ntohs(m->id.idiag_sport),
				     .peer_port = ntohs(m->id.idiag_dport),
				     .cookie = (uint64_t)m->id.idiag_cookie[1] << 32 |
					       m->id.idiag_cookie[0],
				     .unread_bytes = m->idiag_rqueue,
				     .unsent_bytes = m->idiag_wqueue};
	const struct rtattr *a = (const void *)(m + 1);
	unsigned int left = (unsigned int)NLMSG_PAYLOAD(h, sizeof(*m));

	copy_address(c.local, m->id.idiag_src, m->idiag_family);
	copy_address(c.peer, m->id.idiag_dst, m->idiag_family);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == INET_DIAG_INFO && d->protocol == IPPROTO_TCP)
			read_info(a, &c);
	d->count++;
	d->on_connection(d->self, &c);
}

/* One datagram of the answer. 1 it was the last, 0 there is more, -errno. */
static int read_answer(int fd, struct dump *d)
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
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			take(d, h);
	}
	return 0;
}

static int ask(int fd, uint16_t type, const void *body, size_t size, struct dump *d)
{
	struct {
		struct nlmsghdr head;
		char body[sizeof(struct inet_diag_req)];
	} message = {.head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
			      .nlmsg_type = type,
			      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
	int r;

	_Static_assert(sizeof(struct inet_diag_req_v2) <= sizeof(message.body), "both fit");
	memcpy(message.body, body, size);
	if (send(fd, &message, message.head.nlmsg_len, MSG_DONTWAIT) < 0)
		return -errno;
	do
		r = read_answer(fd, d);
	while (r == 0 && d->count < NETNS_CONNECTIONS_MAX);
	return r;
}

static int ask_tcp(int fd, struct dump *d)
{
	const struct inet_diag_req body = {.idiag_family = AF_INET,
					   .idiag_ext = 1u << (INET_DIAG_INFO - 1),
					   .idiag_states =
						   BIT(NETNS_ESTABLISHED) | BIT(NETNS_SYN_SENT) |
						   BIT(NETNS_FIN_WAIT1) | BIT(NETNS_FIN_WAIT2) |
						   BIT(NETNS_CLOSE_WAIT)};

	d->protocol = IPPROTO_TCP;
	return ask(fd, TCPDIAG_GETSOCK, &body, sizeof(body), d);
}

static int ask_udp(int fd, struct dump *d, uint8_t family)
{
	const struct inet_diag_req_v2 body = {.sdiag_family = family,
					      .sdiag_protocol = IPPROTO_UDP,
					      .idiag_states =
						      BIT(NETNS_ESTABLISHED) | BIT(NETNS_CLOSE)};

	d->protocol = IPPROTO_UDP;
	return ask(fd, SOCK_DIAG_BY_FAMILY, &body, sizeof(body), d);
}

static int open_inside(int net_ns_fd, int home_ns_fd)
{
	int fd, r;

	if (setns(net_ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	r = fd < 0 ? -errno : fd;
	if (netns_leave(home_ns_fd) == 0)
		return r;
	fd_close(&fd);
	return -ENOTRECOVERABLE;
}

int netns_connections(int net_ns_fd, int home_ns_fd, bool udp,
		      void (*on_connection)(void *self, const struct netns_connection *c),
		      void *self)
{
	struct dump d = {.on_connection = on_connection, .self = self};
	SCOPED_FD fd = open_inside(net_ns_fd, home_ns_fd);
	int r;

	if (fd < 0)
		return fd;
	r = ask_tcp(fd, &d);
	if (r == 1 && udp)
		r = ask_udp(fd, &d, AF_INET);
	if (r == 1 && udp)
		r = ask_udp(fd, &d, AF_INET6);
	return r < 0 ? r : r == 0;
}
