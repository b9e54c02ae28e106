// SPDX-License-Identifier: Apache-2.0
/* The wire: a message is one record of an exact size; a record that is not in the receiver's table
 * is an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/wire/channel.h"
#include "runtime/wire/records.h"

struct fixture {
	int a_fd, b_fd;
	struct wire_message message;
	uint32_t handled, last_service;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(wire_pair(&f->a_fd, &f->b_fd), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fd_close(&f->a_fd);
	fd_close(&f->b_fd);
	free(f);
	return 0;
}

static int on_need(void *self, struct wire_message *m)
{
	struct fixture *f = self;
	const struct wire_need_instance *need = (const void *)m->record;

	f->handled++;
	f->last_service = need->service;
	return 0;
}

static const struct wire_rule rules[] = {
	{WIRE_NEED_INSTANCE, sizeof(struct wire_need_instance), 2, 0, 1, on_need},
};

static int pass(struct fixture *f, uint32_t phase)
{
	assert_int_equal(wire_recv(f->b_fd, &f->message), 1);
	return wire_dispatch(rules, ARRAY_LEN(rules), phase, f, &f->message);
}

static void a_record_arrives_whole_with_its_descriptors(void **state)
{
	struct fixture *f = *state;
	struct wire_need_instance need = {.service = 9, .queued = 1};
	int fd = f->a_fd;

	assert_int_equal(wire_send(f->a_fd, WIRE_NEED_INSTANCE, &need, sizeof(need), &fd, 1), 0);
	assert_int_equal(pass(f, 2), 0);
	assert_int_equal(f->handled, 1);
	assert_int_equal(f->last_service, 9);
	assert_int_equal(f->message.fd_count,
			 0); /* descriptors that the handler did not take are closed */
}

static void another_phase_size_type_or_descriptor_is_refused(void **state)
{
	struct fixture *f = *state;
	struct wire_need_instance need = {0};
	int fds[2] = {f->a_fd, f->a_fd};

	wire_send(f->a_fd, WIRE_NEED_INSTANCE, &need, sizeof(need), NULL, 0);
	assert_int_equal(pass(f, 1), -EPROTO);
	wire_send(f->a_fd, WIRE_NEED_INSTANCE, &need, sizeof(need) - 1, NULL, 0);
	assert_int_equal(pass(f, 2), -EPROTO);
	wire_send(f->a_fd, WIRE_NEED_SOCKETS, &need, sizeof(need), NULL, 0);
	assert_int_equal(pass(f, 2), -EPROTO);
	wire_send(f->a_fd, WIRE_NEED_INSTANCE, &need, sizeof(need), fds, 2);
	assert_int_equal(pass(f, 2), -EPROTO);
	assert_int_equal(f->handled, 0);
}

static void a_head_that_lies_about_its_size_is_a_bad_message(void **state)
{
	struct fixture *f = *state;
	struct wire_head head = {.type = WIRE_NEED_INSTANCE, .size = 100};

	assert_int_equal(send(f->a_fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(wire_recv(f->b_fd, &f->message), -EBADMSG);
	assert_int_equal(send(f->a_fd, &head, 3, 0), 3);
	assert_int_equal(wire_recv(f->b_fd, &f->message), -EBADMSG);
}

static void the_end_of_the_peer_is_seen(void **state)
{
	struct fixture *f = *state;

	fd_close(&f->a_fd);
	assert_int_equal(wire_recv(f->b_fd, &f->message), 0);
	assert_int_equal(wire_send(f->b_fd, WIRE_API_READY, NULL, 0, NULL, 0), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_record_arrives_whole_with_its_descriptors, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_phase_size_type_or_descriptor_is_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_head_that_lies_about_its_size_is_a_bad_message,
						setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_the_peer_is_seen, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
