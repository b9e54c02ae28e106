// SPDX-License-Identifier: Apache-2.0
#include "netns/traffic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/ethernet.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "netns/netns.h"
#include "runtime/base/fd.h"

#define FILE_BYTES 8192

/* The whole text of a file of this size. Its bytes or -errno. */
static int read_text(int fd, char text[FILE_BYTES])
{
	ssize_t n = pread(fd, text, FILE_BYTES - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return (int)n;
}

/* if_inet6 has one line for each address; "... eth0". */
static bool wire_has_v6(void)
{
	SCOPED_FD fd = open("/proc/thread-self/net/if_inet6", O_RDONLY | O_CLOEXEC);
	char text[FILE_BYTES];

	return fd >= 0 && read_text(fd, text) > 0 && strstr(text, " eth0\n");
}

int net_traffic_open(int net_ns_fd, int home_ns_fd, bool *has_v6)
{
	SCOPED_FD fd = -1;
	bool six;
	int r;

	if (setns(net_ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : 0;
	six = wire_has_v6();
	if (netns_leave(home_ns_fd) < 0)
		return -ENOTRECOVERABLE;
	if (r < 0)
		return r;
	*has_v6 = six;
	return keep_fd(&fd);
}

static uint64_t without_ethernet(uint64_t bytes, uint64_t packets)
{
	uint64_t heads = packets * ETHER_HDR_LEN;

	return bytes > heads ? bytes - heads : 0;
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast", received; then bytes and
 * packets sent. */
int net_traffic_parse(const char *text, struct net_traffic *out)
{
	const char *line = strstr(text, " eth0:");
	uint64_t in, in_packets, sent, sent_packets;

	if (!line)
		return -ENODEV;
	if (sscanf(line,
		   " eth0: %" SCNu64 " %" SCNu64 " %*u %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
		   &in, &in_packets, &sent, &sent_packets) != 4)
		return -EPROTO;
	*out = (struct net_traffic){.out_bytes = without_ethernet(sent, sent_packets),
				    .in_bytes = without_ethernet(in, in_packets)};
	return 0;
}

int net_traffic_read(int fd, struct net_traffic *out)
{
	char text[FILE_BYTES];
	int r = read_text(fd, text);

	return r < 0 ? r : net_traffic_parse(text, out);
}
