/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes that crossed the wire of an instance: the kernel's counters of the end inside (eth0),
 * from /proc/net/dev of its namespace (proc_pid_net(5)). Reading them takes no lock of rtnetlink,
 * which somebody who makes or removes interfaces may hold for long.
 *
 * Bytes are those of IP packets. Each packet counts 14 bytes more there (Ethernet), which are taken
 * off. Segments that the kernel keeps together on their way (GSO) are one packet with one header.
 */
#ifndef EBB_NETNS_TRAFFIC_H
#define EBB_NETNS_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

struct net_traffic {
	uint64_t out_bytes, in_bytes; /* cumulative; out: sent by the instance */
};

/* Opens the counters of this namespace. They can be read as long as it has its wire, also when its
 * processes are gone. Returns the descriptor, which the caller owns, or -errno; has_v6: the wire
 * has an IPv6 address. The calling thread is back in home_ns_fd, or -ENOTRECOVERABLE (netns.h). */
int net_traffic_open(int net_ns_fd, int home_ns_fd, bool *has_v6);
/* 0, -ENODEV: the wire is gone, or -errno. */
int net_traffic_read(int fd, struct net_traffic *out);
/* Pure: the same out of the text of the file. */
int net_traffic_parse(const char *text, struct net_traffic *out);

#endif
