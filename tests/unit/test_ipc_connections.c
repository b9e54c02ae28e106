// SPDX-License-Identifier: Apache-2.0
/* Connections of programs to ebb-ipc when a table is full: a service with many instances keeps no
 * other service out. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/ipc/guests.h"
#include "runtime/ipc/loop.h"

#define GREEDY 1
#define HONEST 2
#define PIECE  40000 /* of a message without an end: 64 KiB are kept for it */
#define KEPT   65536

struct fixture {
	struct ipc *ipc;
	int control_fd;
};

static int make_board(struct board **out)
{
	char dir[] = "/tmp/ebb-connections-XXXXXX";
	int dir_fd, board_fd, r;

	assert_non_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = board_create(dir_fd, 1, out, &board_fd);
	unlinkat(dir_fd, "board", 0);
	close(dir_fd);
	close(board_fd);
	rmdir(dir);
	return r;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(ipc_new(pair[0], &f->ipc), 0);
	f->control_fd = pair[1];
	assert_int_equal(make_board(&f->ipc->board), 0);
	assert_int_equal(holds_new(f->ipc->board, &f->ipc->holds), 0);
	f->ipc->room.max = 4 * KEPT;
	f->ipc->open.max = 8;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ipc_free(f->ipc);
	close(f->control_fd);
	free(f);
	return 0;
}

static struct guest *up(struct fixture *f, uint32_t slot, uint32_t service)
{
	const struct sockaddr_un any = {.sun_family = AF_UNIX};
	struct wire_ipc_up record = {.slot = slot,
				     .generation = board_open_slot(f->ipc->board, slot, 1, service),
				     .service = service,
				     .max_duration_ms = 1000};
	int fds[] = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		     open("/dev/null", O_WRONLY | O_CLOEXEC),
		     open("/dev/null", O_WRONLY | O_CLOEXEC)};

	assert_int_equal(bind(fds[0], (const struct sockaddr *)&any, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fds[0], 1), 0);
	(void)snprintf(record.id, sizeof(record.id), "s%u-%u", service, slot);
	assert_int_equal(guest_up(f->ipc, &record, fds), 0);
	return guest_get(f->ipc, slot, record.generation);
}

/* A connection of the guest; the program's end, or -1 if it was refused. */
static int connect_to(struct fixture *f, struct guest *g)
{
	uint32_t before = g->count;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	connection_open(f->ipc, g, pair[0]);
	if (g->count > before)
		return pair[1];
	close(pair[1]);
	return -1;
}

static struct connection *newest(const struct guest *g)
{
	return container_of(chain_first(&g->connections), struct connection, in_guest);
}

/* Says a piece of a message on a new connection. True: it is kept. */
static bool say_piece(struct fixture *f, struct guest *g)
{
	static char piece[PIECE];
	uint32_t before = g->count;
	int fd = connect_to(f, g);

	assert_true(fd >= 0);
	memset(piece, 'x', sizeof(piece));
	assert_int_equal(write(fd, piece, sizeof(piece)), sizeof(piece));
	(void)connection_read(f->ipc, newest(g));
	close(fd);
	return g->count == before + 1 && newest(g)->used == PIECE;
}

static void unfinished_messages_of_one_service_give_way_to_another(void **state)
{
	struct fixture *f = *state;
	struct guest *greedy[] = {up(f, 1, GREEDY), up(f, 2, GREEDY)}, *honest = up(f, 9, HONEST);

	for (int n = 0; n < 4; n++)
		assert_true(say_piece(f, greedy[n % 2]));
	assert_false(say_piece(f, greedy[0])); /* its own service has the most */
	assert_true(say_piece(f, honest));
	assert_int_equal(greedy[0]->count, 1); /* the oldest went */
	assert_int_equal(greedy[1]->count, 2);
	assert_true(say_piece(f, honest));
	assert_false(say_piece(f, honest)); /* both have as much */
	assert_int_equal(f->ipc->room.used, 4 * KEPT);
}

static void connections_of_one_service_give_way_to_another(void **state)
{
	struct fixture *f = *state;
	struct guest *greedy[] = {up(f, 1, GREEDY), up(f, 2, GREEDY)}, *honest = up(f, 9, HONEST);
	int fds[16], count = 0;

	for (int n = 0; n < 8; n++)
		assert_true((fds[count++] = connect_to(f, greedy[n % 2])) >= 0);
	assert_int_equal(connect_to(f, greedy[0]), -1);
	for (int n = 0; n < 4; n++)
		assert_true((fds[count++] = connect_to(f, honest)) >= 0);
	assert_int_equal(connect_to(f, honest), -1);
	assert_int_equal(greedy[0]->count + greedy[1]->count, 4);
	assert_int_equal(f->ipc->open.used, 8);
	while (count > 0)
		close(fds[--count]);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(unfinished_messages_of_one_service_give_way_to_another),
		T(connections_of_one_service_give_way_to_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
