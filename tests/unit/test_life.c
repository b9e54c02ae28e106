// SPDX-License-Identifier: Apache-2.0
/* The life of an instance: a table that refuses what it does not have, and what follows a state. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/start.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/wire/channel.h"

#define CALLS_MAX 16

struct call {
	enum instance_state from, to;
	char who;
};

struct rig {
	struct ground ground;
	struct instance i;
	struct call calls[CALLS_MAX];
	uint32_t count;
	char directory[64];
	int board_fd, inside_fd;
	uint64_t connections; /* the counter of its wire */
};

static struct rig *rig_of(struct instance *i)
{
	return container_of(i, struct rig, i);
}

static void note(struct instance *i, enum instance_state from, char who)
{
	struct rig *rig = rig_of(i);

	assert_true(rig->count < CALLS_MAX);
	rig->calls[rig->count++] = (struct call){from, i->state, who};
}

static void first(struct instance *i, enum instance_state from)
{
	note(i, from, 'a');
}

static void second(struct instance *i, enum instance_state from)
{
	note(i, from, 'b');
}

static const struct followers followers = {.on_enter = {
						   [INSTANCE_STARTING] = {first},
						   [INSTANCE_RUNNING] = {first, second},
						   [INSTANCE_DYING] = {first},
						   [INSTANCE_GONE] = {first},
					   }};

static struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	SCOPED_FD directory_fd = -1;

	assert_non_null(rig);
	log_init("test", LOG_ERROR_LEVEL);
	log_to(open("/dev/null", O_WRONLY | O_CLOEXEC)); /* refusals by the dozen */
	strcpy(rig->directory, "/tmp/ebb-test-life-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
	directory_fd = open(rig->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(directory_fd >= 0);
	assert_int_equal(board_create(directory_fd, 1, &rig->ground.board, &rig->board_fd), 0);
	assert_int_equal(loop_new(&rig->ground.loop), 0);
	assert_int_equal(services_new(NULL, &rig->ground.services), 0);
	rig->ground.followers = &followers;
	rig->i = (struct instance){.ground = &rig->ground,
				   .id = "api-1",
				   .log_fd = -1,
				   .probe_fd = -1,
				   .root_fd = -1,
				   .control = {.fd = -1},
				   .death = {.fd = -1},
				   .probe = {.fd = -1}};
	rig->i.cgroup.dir_fd = rig->i.cgroup.stat_fd = -1;
	rig->inside_fd = -1;
	return rig;
}

static void rig_free(struct rig *rig)
{
	char command[96];

	services_free(rig->ground.services);
	loop_free(rig->ground.loop);
	board_close(rig->ground.board);
	fd_close(&rig->board_fd);
	snprintf(command, sizeof(command), "rm -rf %s", rig->directory);
	assert_int_equal(system(command), 0);
	free(rig);
}

static void what_the_table_has_not_is_refused_and_changes_nothing(void **state)
{
	struct rig *rig = rig_new();
	uint32_t refused = 0;

	for (uint32_t s = 0; s < INSTANCE_STATE_COUNT; s++)
		for (uint32_t e = 0; e < INSTANCE_EVENT_COUNT; e++) {
			uint32_t before = rig->count;
			int r;

			rig->i.state = s;
			rig->i.state_since_ns = 0;
			r = instance_move(&rig->i, e);
			if (r == 0) {
				assert_int_not_equal(rig->i.state, INSTANCE_WAITING);
				rig->count = 0;
				continue;
			}
			assert_int_equal(r, -EINVAL);
			assert_int_equal(rig->i.state, s);
			assert_int_equal(rig->i.state_since_ns, 0);
			assert_int_equal(rig->count, before);
			refused++;
		}
	/* 10 states, 10 events, 22 cells. */
	assert_int_equal(refused, 78);
	rig_free(rig);
}

static void whoever_lives_can_die_and_nobody_dies_twice(void **state)
{
	struct rig *rig = rig_new();

	for (uint32_t s = 0; s < INSTANCE_STATE_COUNT; s++) {
		rig->i.state = s;
		rig->count = 0;
		assert_int_equal(instance_move(&rig->i, INSTANCE_DEATH),
				 s < INSTANCE_DYING ? 0 : -EINVAL);
	}
	rig_free(rig);
}

static void what_follows_is_called_in_order_and_told_where_it_came_from(void **state)
{
	struct rig *rig = rig_new();

	rig->i.state = INSTANCE_STARTING;
	assert_int_equal(instance_move(&rig->i, INSTANCE_READY), 0);
	assert_int_equal(rig->count, 2);
	assert_int_equal(rig->calls[0].who, 'a');
	assert_int_equal(rig->calls[1].who, 'b');
	assert_int_equal(rig->calls[1].from, INSTANCE_STARTING);
	assert_int_equal(rig->calls[1].to, INSTANCE_RUNNING);
	rig_free(rig);
}

/* A service with a prepared instance, as far as a claim needs one. pid_fd: of a living process. */
static struct service make_service(struct rig *rig, struct spec *spec, int pid_fd)
{
	struct service service = {.name = "api", .spec = spec};

	spec->users = 1;
	spec->put.exec.uid = 0;
	assert_int_equal(wire_pair(&rig->i.armed.control_fd, &rig->inside_fd), 0);
	rig->i.armed.pid = getpid();
	rig->i.armed.pid_fd = pid_fd;
	rig->i.armed.id_first = getuid();
	rig->i.start_fd = -1;
	rig->i.root_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rig->i.spec = spec;
	rig->i.state = INSTANCE_PREPARED;
	rig->i.ahead = true;
	chain_init(&rig->ground.instances);
	chain_init(&rig->i.in_ground);
	chain_add_last(&rig->ground.instances, &rig->i.in_ground);
	rig->ground.count = 1;
	return service;
}

static void on_nothing(struct watch *w, uint32_t events)
{
}

/* epoll takes a descriptor only once (epoll_ctl(2), EEXIST). So the instance's control socket,
 * which the test watches already, cannot be watched, and the instance cannot start. */
static void one_that_cannot_be_watched_dies_once_and_is_not_probed(void **state)
{
	struct rig *rig = rig_new();
	SCOPED_MEM struct spec *spec = calloc(1, sizeof(*spec));
	SCOPED_FD pid_fd = pidfd_open(getpid(), 0);
	struct service service = make_service(rig, spec, pid_fd);
	struct watch taken = {.fd = rig->i.armed.control_fd, .on_ready = on_nothing};

	assert_true(pid_fd >= 0);
	assert_int_equal(loop_watch(rig->ground.loop, &taken, EPOLLIN), 0);
	assert_true(start_prepared(&rig->ground, &service, "a request waits"));
	assert_int_equal(rig->i.state, INSTANCE_GONE);
	assert_int_equal(rig->count, 3);
	assert_int_equal(rig->calls[0].to, INSTANCE_STARTING);
	assert_int_equal(rig->calls[1].to, INSTANCE_DYING);
	assert_int_equal(rig->calls[2].to, INSTANCE_GONE);
	assert_false(timer_is_armed(&rig->i.timer));
	assert_int_equal(rig->i.cause, WIRE_DOWN_FAILED_TO_START);
	assert_non_null(strstr(rig->i.fault, "cannot be watched"));
	loop_unwatch(rig->ground.loop, &taken);
	fd_close(&rig->i.armed.control_fd);
	fd_close(&rig->i.log_fd);
	fd_close(&rig->inside_fd);
	rig_free(rig);
}

/* A death is told twice, by the control socket and by the pidfd, and is one death. */
static void a_second_kill_is_refused(void **state)
{
	struct rig *rig = rig_new();

	rig->i.state = INSTANCE_STARTING;
	stop_kill(&rig->i, WIRE_DOWN_FAILED_TO_START, "the first");
	assert_int_equal(rig->i.state, INSTANCE_GONE);
	stop_kill(&rig->i, WIRE_DOWN_FAILED_TO_START, "the second");
	assert_int_equal(rig->i.state, INSTANCE_GONE);
	assert_int_equal(rig->count, 2);
	rig_free(rig);
}

static int told_connections(void *self, uint32_t interface, uint64_t *out)
{
	const struct rig *rig = self;

	(void)interface;
	*out = rig->connections;
	return 0;
}

/* A reading while the counters of its wire say this. */
static const struct wire_meter *read_wire(struct rig *rig, uint64_t bytes, uint64_t connections)
{
	char text[200];
	int n = snprintf(text, sizeof(text), "  eth0: %llu 0 0 0 0 0 0 0 %llu 0 0 0 0 0 0 0\n",
			 (unsigned long long)bytes, (unsigned long long)bytes);

	assert_int_equal(ftruncate(rig->i.traffic_fd, 0), 0);
	assert_int_equal(pwrite(rig->i.traffic_fd, text, (size_t)n, 0), n);
	rig->connections = connections;
	meter_take(&rig->i);
	return &rig->i.last;
}

static void a_number_that_no_counter_can_have_spoils_no_reading(void **state)
{
	struct rig *rig = rig_new();
	struct spec spec = {.put.egress.mode = WIRE_EGRESS_INTERNET};
	const struct wire_meter *m;

	rig->i.spec = &spec;
	rig->i.cgroup.stat_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rig->i.traffic_fd = memfd_create("traffic", MFD_CLOEXEC);
	rig->ground.network = (struct network){.self = rig, .connections = told_connections};
	m = read_wire(rig, 10, UINT64_MAX);
	assert_int_equal(m->net_connections, 0);
	m = read_wire(rig, 20, 7);
	assert_int_equal(m->net_connections, 7);
	m = read_wire(rig, 30, UINT64_C(1) << 63);
	assert_int_equal(m->net_connections, 7);
	m = read_wire(rig, UINT64_MAX, 8);
	assert_int_equal(m->net_out_bytes, 30);
	assert_int_equal(m->net_in_bytes, 30);
	m = read_wire(rig, 5, 1); /* begun anew */
	assert_int_equal(m->net_out_bytes, 30);
	assert_int_equal(m->net_connections, 8);
	fd_close(&rig->i.traffic_fd);
	fd_close(&rig->i.cgroup.stat_fd);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_table_has_not_is_refused_and_changes_nothing),
		cmocka_unit_test(whoever_lives_can_die_and_nobody_dies_twice),
		cmocka_unit_test(what_follows_is_called_in_order_and_told_where_it_came_from),
		cmocka_unit_test(one_that_cannot_be_watched_dies_once_and_is_not_probed),
		cmocka_unit_test(a_second_kill_is_refused),
		cmocka_unit_test(a_number_that_no_counter_can_have_spoils_no_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
