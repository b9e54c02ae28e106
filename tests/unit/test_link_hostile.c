// SPDX-License-Identifier: Apache-2.0
/*
 * A link beside a hostile peer and without memory. The records before a bad one are handled once
 * and in order, the owner hears of the end once, and no descriptor and no memory is
 * left. The choice of messages is random, with seeds that stay the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/wire/link.h"
#include "runtime/wire/records.h"

#define SEEDS    1000u
#define FDS_MOST 253 /* the kernel's limit, SCM_MAX_FD */

/* The linker puts these before the real ones (base.mk). */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
static uint32_t made, fails_at; /* 0: none fails */

void *__wrap_malloc(size_t size)
{
	return ++made == fails_at ? NULL : __real_malloc(size);
}

struct rig {
	struct loop *loop;
	struct wire_link link;
	int peer_fd;
	uint64_t heard, lost;
	int err;
};

static int on_flush(void *self, struct wire_message *m)
{
	struct rig *rig = self;
	const struct wire_meter_flush *flush = (const void *)m->record;

	assert_int_equal(flush->cookie, rig->heard);
	rig->heard++;
	return 0;
}

/* One descriptor is wanted beside a record of the second type. */
static int on_ready(void *self, struct wire_message *m)
{
	struct rig *rig = self;

	assert_true(m->fd_count == 1 && m->fds[0] >= 0);
	rig->heard++;
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_METER_FLUSH, sizeof(struct wire_meter_flush), 2, 0, 0, on_flush},
	{WIRE_API_READY, 0, 2, 1, 1, on_ready},
	{WIRE_IPC_READY, 0, 1, 0, 0, on_ready}, /* of another phase */
};

static void on_lost(struct wire_link *link, int err)
{
	struct rig *rig = link->self;

	rig->lost++;
	rig->err = err;
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int begin(struct rig *rig, bool ends)
{
	int ours_fd;

	*rig = (struct rig){.peer_fd = -1};
	assert_int_equal(loop_new(&rig->loop), 0);
	rig->link = (struct wire_link){.name = "test",
				       .rules = rules,
				       .rule_count = ARRAY_LEN(rules),
				       .phase = 2,
				       .self = rig,
				       .lost = on_lost,
				       .ends_on_failure = ends};
	assert_int_equal(wire_pair(&ours_fd, &rig->peer_fd), 0);
	return wire_link_open(&rig->link, rig->loop, ours_fd);
}

static void finish(struct rig *rig)
{
	wire_link_close(&rig->link);
	fd_close(&rig->peer_fd);
	loop_free(rig->loop);
}

/* ---- a hostile peer ---- */

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Sends raw bytes with so many descriptors. False: the kernel refuses to send that. */
static bool send_raw(int fd, const void *bytes, size_t size, unsigned int fd_count)
{
	_Alignas(struct cmsghdr) static char control[CMSG_SPACE(sizeof(int) * FDS_MOST)];
	struct iovec part = {(void *)(uintptr_t)bytes, size};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		c = CMSG_FIRSTHDR(&msg);
		*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * fd_count),
				      .cmsg_level = SOL_SOCKET,
				      .cmsg_type = SCM_RIGHTS};
		for (unsigned int i = 0; i < fd_count; i++)
			((int *)(void *)CMSG_DATA(c))[i] = fd;
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

struct packet {
	struct wire_head head;
	uint64_t cookie;
	char rest[100];
};

/* A message that no rule allows. Returns the error that it ends the link with. */
static int send_bad(struct rig *rig, uint64_t number, uint32_t *seed)
{
	struct packet p = {.head = {WIRE_METER_FLUSH, sizeof(p.cookie)}, .cookie = number};
	size_t size = sizeof(p.head) + sizeof(p.cookie);
	unsigned int fds = 0;
	int err = -EPROTO;

	switch (next(seed) % 8) {
	case 0: /* half a head, or a whole one alone */
		size = 1 + next(seed) % sizeof(p.head);
		err = -EBADMSG;
		break;
	case 1: /* half a record */
		size = sizeof(p.head) + next(seed) % sizeof(p.cookie);
		err = -EBADMSG;
		break;
	case 2: /* a head that lies */
		p.head.size = next(seed) % 3 ? next(seed) : UINT32_MAX;
		err = p.head.size == sizeof(p.cookie) ? 0 : -EBADMSG;
		break;
	case 3: /* another version of the record: some bytes more */
		p.head.size = (uint32_t)(sizeof(p.cookie) + 1 + next(seed) % sizeof(p.rest));
		size = sizeof(p.head) + p.head.size;
		break;
	case 4: /* another type */
		p.head.type = next(seed) % 2 ? next(seed) : WIRE_IPC_READY;
		err = p.head.type == WIRE_METER_FLUSH ? 0 : -EPROTO;
		break;
	case 5: /* descriptors that nobody wants, as many as the kernel passes on */
		fds = 1 + next(seed) % FDS_MOST;
		err = fds > WIRE_FDS_MAX ? -EBADMSG : -EPROTO;
		break;
	case 6: /* none where one is wanted */
		p.head = (struct wire_head){WIRE_API_READY, 0};
		size = sizeof(p.head);
		break;
	default: /* two where one is wanted */
		p.head = (struct wire_head){WIRE_API_READY, 0};
		size = sizeof(p.head);
		fds = 2 + next(seed) % (FDS_MOST - 1);
		err = fds > WIRE_FDS_MAX ? -EBADMSG : -EPROTO;
		break;
	}
	assert_true(send_raw(rig->peer_fd, &p, size, fds));
	return err;
}

static void send_good(struct rig *rig, uint64_t number, uint32_t *seed)
{
	if (next(seed) % 4 == 0)
		assert_int_equal(wire_send(rig->peer_fd, WIRE_API_READY, NULL, 0, &rig->peer_fd, 1),
				 0);
	else
		assert_int_equal(
			wire_send(rig->peer_fd, WIRE_METER_FLUSH, &number, sizeof(number), NULL, 0),
			0);
}

static void what_no_rule_allows_ends_it_behind_all_that_came_before(void **state)
{
	unsigned int before = open_fds();

	for (uint32_t n = 0; n < SEEDS; n++) {
		uint32_t seed = n, good = next(&seed) % 100;
		struct rig rig;
		int err;

		assert_int_equal(begin(&rig, true), 0);
		for (uint32_t i = 0; i < good; i++)
			send_good(&rig, i, &seed);
		err = send_bad(&rig, good, &seed);
		good += err == 0; /* by chance it was a good one */
		for (int i = 0; i < 4; i++)
			assert_int_equal(loop_turn(rig.loop), 0);
		if (rig.heard != good || rig.err != err || rig.lost != (err != 0))
			fail_msg("seed %u: heard %llu of %u, lost %llu times, error %d, not %d", n,
				 (unsigned long long)rig.heard, good, (unsigned long long)rig.lost,
				 rig.err, err);
		assert_int_equal(wire_link_is_open(&rig.link), err == 0);
		finish(&rig);
	}
	assert_int_equal(open_fds(), before);
}

/* A peer that floods is read in parts, and one that is gone with a full socket is heard to its end.
 */
static void a_flood_is_heard_to_its_end(void **state)
{
	uint64_t sent = 0;
	struct rig rig;

	assert_int_equal(begin(&rig, true), 0);
	while (send_raw(rig.peer_fd, &(struct packet){{WIRE_METER_FLUSH, sizeof(sent)}, sent, {0}},
			sizeof(struct wire_head) + sizeof(sent), 0))
		sent++;
	fd_close(&rig.peer_fd);
	assert_true(sent > 100);
	for (uint64_t i = 0; i <= sent && rig.lost == 0; i++)
		assert_int_equal(loop_turn(rig.loop), 0);
	assert_int_equal(rig.heard, sent);
	assert_true(rig.lost == 1 && rig.err == 0);
	finish(&rig);
}

/* ---- without memory ---- */

static int send_number(struct rig *rig, uint64_t number)
{
	return wire_link_send(&rig->link, WIRE_METER_FLUSH, &number, sizeof(number), &rig->peer_fd,
			      number % 2);
}

/* Fills the socket and 20 records more; returns how many it took, all of them before one it did not
 * take if failures end the link. */
static uint64_t say_all(struct rig *rig, bool ends)
{
	uint64_t taken = 0;
	int r = 0;

	while (wire_link_queued(&rig->link) < 20 && wire_link_is_open(&rig->link)) {
		r = send_number(rig, taken);
		assert_true(r == 0 || r == -ENOMEM);
		taken += r == 0;
		if (r < 0 && ends)
			break;
	}
	return taken;
}

/* Reads what arrives at the peer; it is every number in order, the first missing one included. */
static uint64_t hear_all(struct rig *rig)
{
	static struct wire_message m;
	uint64_t heard = 0, number;

	for (;;) {
		int r;

		(void)loop_turn(rig->loop);
		r = recv(rig->peer_fd, &m, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN
			    ? -EAGAIN
			    : wire_recv(rig->peer_fd, &m);
		if (r != 1)
			return heard;
		memcpy(&number, m.record, sizeof(number));
		assert_int_equal(number, heard);
		assert_int_equal(m.fd_count, number % 2);
		wire_message_fini(&m);
		heard++;
	}
}

static void each_lack_of_memory_is_told_and_loses_no_record_that_was_taken(void **state)
{
	unsigned int before = open_fds();

	for (int ends = 0; ends < 2; ends++) {
		for (uint32_t n = 1; n < 30; n++) {
			struct rig rig;
			uint64_t taken;
			int r;

			made = 0;
			fails_at = n;
			r = begin(&rig, ends);
			if (r < 0) {
				assert_int_equal(r, -ENOMEM);
				assert_false(wire_link_is_open(&rig.link));
				finish(&rig);
				continue;
			}
			taken = say_all(&rig, ends);
			fails_at = 0;
			if (!ends)
				assert_int_equal(hear_all(&rig), taken);
			else
				assert_true(hear_all(&rig) <= taken);
			assert_true(rig.lost <= 1 && (ends || rig.lost == 0));
			finish(&rig);
		}
	}
	fails_at = 0;
	assert_int_equal(open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_rule_allows_ends_it_behind_all_that_came_before),
		cmocka_unit_test(a_flood_is_heard_to_its_end),
		cmocka_unit_test(each_lack_of_memory_is_told_and_loses_no_record_that_was_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
