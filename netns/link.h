/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire of an instance: a veth(4) pair, one end on the host, one inside as eth0.
 *
 * Neither end asks for neighbours: both have the same hardware address and IFF_NOARP, so every
 * packet that leaves one end is for the other. The host's end has no address; the inner one has its
 * own and a default route. Needs CAP_NET_ADMIN and two sockets of NETLINK_ROUTE (rtnetlink(7)): one
 * of the host, and one born inside, because entering a namespace would need CAP_SYS_ADMIN.
 */
#ifndef EBB_NETNS_LINK_H
#define EBB_NETNS_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct net_wire {
	char name[IFNAMSIZ]; /* of the host's end */
	uint32_t number;     /* part of its hardware address */
	uint8_t v4[4], v6[16];
	bool has_v6;
};

/* The steps of making a wire, for messages. */
/* clang-format off */
#define NET_STEPS(X) \
	X(LINK, "cannot make a veth pair") \
	X(HOST_END, "cannot set up the host's end of a veth pair") \
	X(INNER_END, "cannot set up the end of a veth pair inside") \
	X(ROUTE, "this host has no default route") \
	X(FORWARDING, "cannot let the host forward packets") \
	X(TABLE, "cannot write into nf_tables") \
	X(PROGRAM, "ebb-net does not run")
/* clang-format on */
#define X(name, words) NET_STEP_##name,
enum net_step { NET_STEPS(X) NET_STEP_COUNT };
#undef X

/* The mends of what a host lacks, for ebbd and for `ebb doctor`. */
#define NET_MEND_MODULES  "load what is missing (modprobe -a nf_tables nft_ct nft_masq veth)"
#define NET_MEND_WAKES    "allow ebbd bpf(2): CONFIG_CGROUP_BPF, and CAP_BPF and CAP_NET_ADMIN"
#define NET_MEND_ROUTE    "give it one (ip route add default via GATEWAY)"
#define NET_NO_RESOLVER   "this host has no resolver for names"
#define NET_MEND_RESOLVER "name an IPv4 one in /etc/resolv.conf or with egress_resolver"
#define NET_MEND_POOL     "give ebbd another network with net_pool=NETWORK/20"

/* Makes a wire and sets both ends up. The descriptors are borrowed: the NETLINK_ROUTE sockets of
 * the host and of the namespace, and the namespace. An interface of the same name is removed first.
 * 0 with the index of the host's end, or -errno and the step that failed; then all that was made is
 * removed. */
int net_wire_make(int host_fd, int inside_fd, int net_ns_fd, const struct net_wire *wire,
		  uint32_t *out_index, enum net_step *step);
/* Makes a pair on the host and removes it, to see whether the kernel can. 0 or -errno. */
int net_wire_try(int host_fd, const char *prefix);
/* Removes the host's end, and with it both. 0 or -errno. */
int net_wire_remove(int host_fd, uint32_t index);
/* Hands every link of the host whose name begins with prefix to on_link. 0 or -errno. */
int net_wires(int host_fd, const char *prefix,
	      void (*on_link)(void *self, const char *name, uint32_t index), void *self);
/* The index of the interface that leads to an address; -ENETUNREACH without a route, or -errno. */
int net_link_to(int host_fd, int family, const uint8_t *address);
/* The interfaces of default routes, in any table. Returns how many there are, or -errno; out gets
 * the first max of them. */
int net_default_links(int host_fd, int family, uint32_t *out, uint32_t max);
/* Whether the host has a route, or an address, in this IPv4 network that no ebbd made: 1 with the
 * route's destination, 0 or -errno. */
int net_route_within(int host_fd, const uint8_t v4[4], uint32_t bits, uint8_t out_v4[4]);
/* Whether packets that arrive on this interface are forwarded: 1, 0 or -errno. index 0: the setting
 * for all interfaces. */
int net_forwards(int host_fd, int family, uint32_t index);
/* Says whether IPv4 packets that arrive on this interface are forwarded. 0 or -errno. */
int net_forward(int host_fd, uint32_t index, bool on);

#endif
