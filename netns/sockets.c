// SPDX-License-Identifier: Apache-2.0
#include "netns/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/netns.h"
#include "netns/nl.h"
#include "runtime/base/fd.h"
#include "runtime/base/ip.h"
#include "runtime/base/mem.h"

/* The states of TCP (include/net/tcp_states.h). */
/* clang-format off */
#define STATES(X) \
	X(1, "ESTAB") X(2, "SYN-SENT") X(3, "SYN-RECV") X(4, "FIN-WAIT-1") X(5, "FIN-WAIT-2") \
	X(6, "TIME-WAIT") X(7, "UNCONN") X(8, "CLOSE-WAIT") X(9, "LAST-ACK") X(10, "LISTEN") \
	X(11, "CLOSING") X(12, "NEW-SYN-RECV")
/* clang-format on */
#define BIT(state) (1u << (state))
#define EVERY      (BIT(13) - BIT(1))
#define NOT_OPEN   (BIT(3) | BIT(6) | BIT(7) | BIT(10)) /* ss(8) leaves them out, too */

int net_sockets_open(int net_ns_fd, int home_ns_fd)
{
	SCOPED_FD fd = -1;
	int r;

	if (setns(net_ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	r = fd < 0 ? -errno : 0;
	if (netns_leave(home_ns_fd) < 0)
		return -ENOTRECOVERABLE;
	return r < 0 ? r : keep_fd(&fd);
}

struct listing {
	void (*each)(void *self, const struct net_socket *s);
	void *self;
	uint8_t protocol;
};

static void copy_address(uint8_t out[16], uint8_t family, const __be32 *from)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (family == AF_INET6) {
		memcpy(out, from, 16);
		return;
	}
	memcpy(out, mapped, sizeof(mapped));
	memcpy(out + sizeof(mapped), from, 4);
}

static void on_message(void *self, const struct nlmsghdr *h)
{
	const struct listing *l = self;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	struct net_socket s;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    (m->idiag_family != AF_INET && m->idiag_family != AF_INET6))
		return;
	s = (struct net_socket){.local_port = ntohs(m->id.idiag_sport),
				.remote_port = ntohs(m->id.idiag_dport),
				.protocol = l->protocol,
				.state = m->idiag_state,
				.receive_bytes = m->idiag_rqueue,
				.send_bytes = m->idiag_wqueue};
	copy_address(s.local, m->idiag_family, m->id.idiag_src);
	copy_address(s.remote, m->idiag_family, m->id.idiag_dst);
	l->each(l->self, &s);
}

/* A kernel without inet_diag or udp_diag has nothing to say (-ENOENT). */
static int ask(int fd, struct listing *l, uint8_t family)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct inet_diag_req_v2 body = {
		.sdiag_family = family, .sdiag_protocol = l->protocol, .idiag_states = EVERY};
	struct nl n = NL_ON(buf);
	int r;

	nl_begin(&n, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body, sizeof(body));
	nl_end(&n);
	r = nl_ask(fd, &n, on_message, l);
	return r == -ENOENT ? 0 : r;
}

int net_sockets_each(int fd, void (*each)(void *self, const struct net_socket *s), void *self)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	struct listing l = {.each = each, .self = self};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(protocols); i++) {
		l.protocol = protocols[i];
		r = ask(fd, &l, AF_INET);
		if (r == 0)
			r = ask(fd, &l, AF_INET6);
	}
	return r;
}

bool net_socket_is_connection(const struct net_socket *s)
{
	if ((BIT(s->state % 32) & NOT_OPEN) || s->remote_port == 0 || ip_is_none(s->remote))
		return false;
	return !ip_is_loopback(s->local) && !ip_is_loopback(s->remote);
}

const char *net_socket_state(uint32_t state)
{
#define X(number, name) [number] = name,
	static const char *const names[] = {STATES(X)};
#undef X

	return state < ARRAY_LEN(names) && names[state] ? names[state] : "?";
}
