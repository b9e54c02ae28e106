// SPDX-License-Identifier: Apache-2.0
#include "netns/refusal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "netns/nl.h"
#include "netns/table.h"
#include "runtime/base/mem.h"

#define MESSAGE_PACKET (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET)
#define MESSAGE_CONFIG (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG)
#define COPY_BYTES     128
#define ANSWER_BYTES   32768
#define PORT_AT        2 /* the target's, in TCP and UDP */

#define X(name, chain, words) [NET_REASON_##name] = chain,
static const char *const reason_names[NET_REASON_COUNT] = {NET_REASONS(X)};
#undef X

const char *net_reason_name(uint32_t reason)
{
	return reason_names[reason];
}

int net_refusals_hear(int fd, uint16_t group)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nfgenmsg head = {.version = NFNETLINK_V0, .res_id = htons(group)};
	const struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_BYTES),
						    .copy_mode = NFULNL_COPY_PACKET};
	struct nl n = NL_ON(buf);
	int r;

	nl_begin(&n, MESSAGE_CONFIG, NLM_F_ACK, &head, sizeof(head));
	nl_put(&n, NFULA_CFG_CMD, &bind, sizeof(bind));
	nl_put(&n, NFULA_CFG_MODE, &mode, sizeof(mode));
	nl_u32be(&n, NFULA_CFG_QTHRESH, 1); /* each at once: the rules bound how many there are */
	nl_end(&n);
	r = nl_exchange(fd, &n);
	return r == -EPERM ? -EBUSY : r; /* so says a group that has a hearer */
}

static void read_port(const uint8_t *at, size_t left, struct net_refusal *out)
{
	uint16_t port;

	if ((out->protocol != IPPROTO_TCP && out->protocol != IPPROTO_UDP) ||
	    left < PORT_AT + sizeof(port))
		return;
	memcpy(&port, at + PORT_AT, sizeof(port));
	out->port = ntohs(port);
}

static int read_v4(const uint8_t *at, size_t size, struct net_refusal *out)
{
	struct iphdr head;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, at, sizeof(head));
	if (head.ihl < 5 || head.ihl * 4u > size)
		return -EBADMSG;
	out->address[10] = out->address[11] = 0xff;
	memcpy(out->address + 12, &head.daddr, sizeof(head.daddr));
	out->protocol = head.protocol;
	read_port(at + head.ihl * 4u, size - head.ihl * 4u, out);
	return 0;
}

static int read_v6(const uint8_t *at, size_t size, struct net_refusal *out)
{
	struct ip6_hdr head;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, at, sizeof(head));
	memcpy(out->address, &head.ip6_dst, sizeof(out->address));
	out->protocol = head.ip6_nxt;
	read_port(at + sizeof(head), size - sizeof(head), out);
	return 0;
}

static int read_packet(const uint8_t *at, size_t size, struct net_refusal *out)
{
	if (size > 0 && at[0] >> 4 == 4)
		return read_v4(at, size, out);
	if (size > 0 && at[0] >> 4 == 6)
		return read_v6(at, size, out);
	return -EBADMSG;
}

static int read_reason(const struct nlattr *prefix, uint32_t *out)
{
	for (uint32_t i = 0; i < NET_REASON_COUNT; i++) {
		if (nl_size(prefix) == strlen(reason_names[i]) + 1 &&
		    memcmp(nl_data(prefix), reason_names[i], nl_size(prefix)) == 0) {
			*out = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int parse(const struct nlmsghdr *h, struct net_refusal *out)
{
	const struct nlattr *prefix, *from, *packet;
	struct net_refusal found = {0};
	uint32_t interface;

	if (h->nlmsg_type != MESSAGE_PACKET)
		return -EBADMSG;
	prefix = nl_find(h, sizeof(struct nfgenmsg), NFULA_PREFIX, 1);
	from = nl_find(h, sizeof(struct nfgenmsg), NFULA_IFINDEX_INDEV, sizeof(interface));
	packet = nl_find(h, sizeof(struct nfgenmsg), NFULA_PAYLOAD, 1);
	if (!prefix || !from || !packet || read_reason(prefix, &found.reason) < 0 ||
	    read_packet(nl_data(packet), nl_size(packet), &found) < 0)
		return -EBADMSG;
	memcpy(&interface, nl_data(from), sizeof(interface));
	found.interface = ntohl(interface);
	*out = found;
	return 0;
}

static bool tells_crowd(const struct nlmsghdr *h)
{
	const struct nlattr *prefix =
		h->nlmsg_type == MESSAGE_PACKET
			? nl_find(h, sizeof(struct nfgenmsg), NFULA_PREFIX, sizeof(NET_CROWD))
			: NULL;

	return prefix && memcmp(nl_data(prefix), NET_CROWD, sizeof(NET_CROWD)) == 0;
}

int net_refusals_read(int fd, const struct net_hearer *hearer)
{
	char buf[ANSWER_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *h = (const void *)buf;
	struct net_refusal refusal;
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (unsigned int left = (unsigned int)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		if (tells_crowd(h))
			hearer->on_crowd(hearer->self);
		else if (parse(h, &refusal) == 0)
			hearer->on_refusal(hearer->self, &refusal);
	}
	return 1;
}
