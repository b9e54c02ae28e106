// SPDX-License-Identifier: Apache-2.0
/* The watch on arrivals, against a real cgroup and a namespace of the test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cgroups/tree.h"
#include "netns/watch.h"
#include "runtime/base/fd.h"

#define POOL                 \
	{                    \
		10, 99, 0, 0 \
	}
#define RANGE 5u /* 10.99.0.5 */

struct fixture {
	struct net_watch *watch;
	int mount_fd, cgroup_fd;
	char name[48];
	uint32_t data, ends;
	struct net_event last;
};

static int setup(void **state)
{
	static const uint8_t v4[] = POOL, v6[16] = {0xfd, 9};
	static struct fixture f;
	struct cgroup_mount mount;
	const char *step = "";
	int r;

	*state = NULL;
	if (geteuid() != 0)
		return 0;
	assert_int_equal(cgroup_mount_find("cgroup2", NULL, &mount), 0);
	f.mount_fd = mount.dir_fd;
	snprintf(f.name, sizeof(f.name), "ebb-test-watch-%d", (int)getpid());
	assert_int_equal(mkdirat(f.mount_fd, f.name, 0755), 0);
	f.cgroup_fd = openat(f.mount_fd, f.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = net_watch_open(f.cgroup_fd, v4, v6, &f.watch, &step);
	if (r < 0)
		print_message("%s: %s\n", step, strerror(-r));
	assert_int_equal(r, 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (!f)
		return 0;
	net_watch_close(f->watch);
	fd_close(&f->cgroup_fd);
	assert_int_equal(unlinkat(f->mount_fd, f->name, AT_REMOVEDIR), 0);
	fd_close(&f->mount_fd);
	return 0;
}

static void on_event(void *self, const struct net_event *e)
{
	struct fixture *f = self;

	f->data += e->kind == NET_ARRIVAL_DATA;
	f->ends += e->kind == NET_ARRIVAL_END;
	f->last = *e;
}

static void read_events(struct fixture *f)
{
	f->data = f->ends = 0;
	assert_true(net_watch_read(f->watch, on_event, f));
}

/* ---- the instance: a child in the cgroup and in a namespace of its own ---- */

static int set_address(int fd, const char *name, const char *address)
{
	struct ifreq request = {0};
	struct sockaddr_in at = {.sin_family = AF_INET};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	inet_pton(AF_INET, address, &at.sin_addr);
	memcpy(&request.ifr_addr, &at, sizeof(at));
	if (ioctl(fd, SIOCSIFADDR, &request) < 0)
		return -errno;
	request.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

static int enter(const struct fixture *f)
{
	SCOPED_FD fd = -1;
	int r = fd_write_file_at(f->cgroup_fd, "cgroup.procs", "0");

	if (r < 0 || unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = set_address(fd, "lo", "127.0.0.1");
	if (r == 0)
		r = set_address(fd, "lo:1", "10.99.0.5");
	return r == 0 ? set_address(fd, "lo:2", "10.99.0.6") : r;
}

static int open_at(int type, const char *address, struct sockaddr_in *at)
{
	socklen_t size = sizeof(*at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){.sin_family = AF_INET};
	inet_pton(AF_INET, address, &at->sin_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)at, size) < 0 ||
	    getsockname(fd, (struct sockaddr *)at, &size) < 0)
		return -1;
	return fd;
}

/* inner has the address of the range; outer that of another one. */
struct pair {
	int listener, inner, outer;
};

static int open_pair(struct pair *p)
{
	struct sockaddr_in at, from;
	struct pair made = {.listener = open_at(SOCK_STREAM, "10.99.0.6", &at)};

	if (made.listener < 0 || listen(made.listener, 4) < 0)
		return -1;
	made.inner = open_at(SOCK_STREAM, "10.99.0.5", &from);
	if (made.inner < 0 || connect(made.inner, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	made.outer = accept4(made.listener, NULL, NULL, SOCK_CLOEXEC);
	*p = made;
	return made.outer < 0 ? -1 : 0;
}

/* Runs steps in the child; 0 if all were true. The child dies with its namespace. */
static int in_child(struct fixture *f, bool (*steps)(struct fixture *f))
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(enter(f) == 0 && steps(f) ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool say(int fd)
{
	return send(fd, "x", 1, MSG_NOSIGNAL) == 1;
}

static bool tcp_steps(struct fixture *f)
{
	struct pair p;
	char byte;

	if (open_pair(&p) < 0)
		return false;
	net_watch_begin(f->watch, RANGE);
	if (!say(p.inner) || read(p.outer, &byte, 1) != 1)
		return false;
	read_events(f); /* an acknowledgement came */
	if (f->data || f->ends || !net_watch_goes_on(f->watch, RANGE))
		return false;
	if (!say(p.outer) || read(p.inner, &byte, 1) != 1 || !say(p.outer) ||
	    read(p.inner, &byte, 1) != 1)
		return false;
	read_events(f); /* the first is told */
	if (f->data != 1 || f->last.range != RANGE || f->last.protocol != IPPROTO_TCP ||
	    f->last.peer[15] != 6 || net_watch_goes_on(f->watch, RANGE))
		return false;
	net_watch_begin(f->watch, RANGE);
	close(p.outer);
	if (read(p.inner, &byte, 1) != 0)
		return false;
	read_events(f);
	return f->data == 0 && f->ends == 1 && net_watch_goes_on(f->watch, RANGE);
}

static bool udp_steps(struct fixture *f)
{
	struct sockaddr_in at, none, from;
	char byte;
	int inner = open_at(SOCK_DGRAM, "10.99.0.5", &at);
	int outer = open_at(SOCK_DGRAM, "10.99.0.6", &from);

	none = at;
	none.sin_port = htons((uint16_t)(ntohs(at.sin_port) ^ 1)); /* nobody has it */
	net_watch_begin(f->watch, RANGE);
	if (inner < 0 || sendto(outer, "x", 1, 0, (struct sockaddr *)&none, sizeof(none)) != 1)
		return false;
	read_events(f);
	if (f->data != 0)
		return false;
	outer = open_at(SOCK_DGRAM, "10.99.0.6", &from); /* the other one has an error pending */
	if (sendto(outer, "x", 1, 0, (struct sockaddr *)&at, sizeof(at)) != 1 ||
	    recv(inner, &byte, 1, 0) != 1)
		return false;
	read_events(f);
	return f->data == 1 && f->last.local_port == at.sin_port;
}

static bool unwatched_steps(struct fixture *f)
{
	struct pair p;
	char byte;

	net_watch_end(f->watch, RANGE);
	if (open_pair(&p) < 0 || !say(p.outer) || read(p.inner, &byte, 1) != 1)
		return false;
	read_events(f);
	return f->data == 0 && f->ends == 0;
}

#define ACKNOWLEDGED_AT 120 /* tcpi_bytes_acked, which netinet/tcp.h does not know */

static uint64_t acknowledged(int fd)
{
	char info[256];
	socklen_t size = sizeof(info);
	uint64_t bytes = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0 &&
	    size >= ACKNOWLEDGED_AT + sizeof(bytes))
		memcpy(&bytes, info + ACKNOWLEDGED_AT, sizeof(bytes));
	return bytes;
}

static uint64_t said(const struct fixture *f, int fd)
{
	uint64_t cookie, bytes;
	socklen_t size = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0 ||
	    net_watch_said(f->watch, cookie, &bytes) < 0)
		return UINT64_MAX;
	return bytes;
}

/* Each answer acknowledges what was sent before it. */
static bool said_steps(struct fixture *f)
{
	struct pair p;
	char bytes[3];
	uint64_t before;
	int on = 1;

	net_watch_end(f->watch, RANGE);
	if (open_pair(&p) < 0 ||
	    setsockopt(p.inner, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 || !say(p.inner) ||
	    read(p.outer, bytes, 1) != 1)
		return false;
	if (said(f, p.inner) != UINT64_MAX) /* nothing came yet */
		return false;
	if (!say(p.outer) || read(p.inner, bytes, 1) != 1)
		return false;
	before = said(f, p.inner);
	if (before != acknowledged(p.inner) || !say(p.inner) || !say(p.inner) || !say(p.inner))
		return false;
	if (said(f, p.inner) != before) /* only data that come are a new beginning */
		return false;
	if (!say(p.outer) || read(p.inner, bytes, 1) != 1)
		return false;
	return said(f, p.inner) == before + 3 && acknowledged(p.inner) == before + 3;
}

/* The next byte that a socket waits for. */
static int64_t next_byte(int fd)
{
	int on = 1, queue = TCP_RECV_QUEUE, off = TCP_REPAIR_OFF_NO_WP;
	uint32_t seq;
	socklen_t size = sizeof(seq);

	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &queue, sizeof(queue)) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &seq, &size) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &off, sizeof(off)) < 0)
		return -1;
	return seq;
}

static uint16_t checksum(const void *bytes, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size / 2; i++)
		sum += ((const uint16_t *)bytes)[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Ends of a connection as somebody outside makes them up: they acknowledge bytes that were never
 * sent, so no socket takes them. */
static bool forge_ends(const struct pair *p, uint32_t seq, int count)
{
	struct sockaddr_in from, to;
	socklen_t size = sizeof(to);
	struct tcphdr tcp = {.doff = 5, .fin = 1, .ack = 1, .window = htons(1000)};
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
	uint32_t pseudo;

	if (raw < 0 || getsockname(p->inner, (struct sockaddr *)&to, &size) < 0 ||
	    getpeername(p->inner, (struct sockaddr *)&from, &size) < 0)
		return false;
	tcp.source = from.sin_port;
	tcp.dest = to.sin_port;
	tcp.seq = htonl(seq);
	tcp.ack_seq = htonl(0xdeadbeef);
	pseudo = (from.sin_addr.s_addr & 0xffff) + (from.sin_addr.s_addr >> 16) +
		 (to.sin_addr.s_addr & 0xffff) + (to.sin_addr.s_addr >> 16) + htons(IPPROTO_TCP) +
		 htons(sizeof(tcp));
	tcp.check = checksum(&tcp, sizeof(tcp), pseudo);
	to.sin_port = from.sin_port = 0;
	if (bind(raw, (struct sockaddr *)&from, size) < 0)
		return false;
	for (int i = 0; i < count; i++)
		if (sendto(raw, &tcp, sizeof(tcp), 0, (struct sockaddr *)&to, size) !=
		    (ssize_t)sizeof(tcp))
			return false;
	close(raw);
	return true;
}

static bool storm_steps(struct fixture *f)
{
	struct pair p;
	int64_t seq;

	if (open_pair(&p) < 0 || (seq = next_byte(p.inner)) < 0)
		return false;
	net_watch_begin(f->watch, RANGE);
	if (!forge_ends(&p, (uint32_t)seq - 1, 1000) || !forge_ends(&p, (uint32_t)seq + 1, 1000))
		return false;
	read_events(f);
	if (f->data || f->ends || !net_watch_goes_on(f->watch, RANGE))
		return false;
	if (!forge_ends(&p, (uint32_t)seq, 5000))
		return false;
	read_events(f);
	return f->data == 1 && f->ends == NET_WATCH_ENDS && !net_watch_goes_on(f->watch, RANGE);
}

static struct fixture *needs_root(void **state)
{
	if (!*state) {
		print_message("skipped: a watch needs root\n");
		skip();
	}
	return *state;
}

static void only_data_and_ends_are_told_and_data_once(void **state)
{
	assert_int_equal(in_child(needs_root(state), tcp_steps), 0);
}

static void words_since_the_peer_s_last_ones_are_known(void **state)
{
	assert_int_equal(in_child(needs_root(state), said_steps), 0);
}

static void a_datagram_is_told_if_a_socket_takes_it(void **state)
{
	assert_int_equal(in_child(needs_root(state), udp_steps), 0);
}

static void nothing_is_told_of_a_range_that_is_not_watched(void **state)
{
	assert_int_equal(in_child(needs_root(state), unwatched_steps), 0);
}

static void a_storm_of_false_ends_is_not_told(void **state)
{
	assert_int_equal(in_child(needs_root(state), storm_steps), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_data_and_ends_are_told_and_data_once),
		cmocka_unit_test(words_since_the_peer_s_last_ones_are_known),
		cmocka_unit_test(a_datagram_is_told_if_a_socket_takes_it),
		cmocka_unit_test(a_storm_of_false_ends_is_not_told),
		cmocka_unit_test(nothing_is_told_of_a_range_that_is_not_watched),
	};

	return cmocka_run_group_tests_name("watch", tests, setup, teardown);
}
