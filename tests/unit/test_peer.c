// SPDX-License-Identifier: Apache-2.0
/* A peer of ebbd without memory, and programs that cannot be started: each says so, and goes on. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/supervisor/programs/daemon.h"
#include "runtime/wire/records.h"

/* The linker puts these before the real ones (supervisor.mk). */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int __real_wire_link_open(struct wire_link *p, struct loop *loop, int socket_fd);
int __wrap_wire_link_open(struct wire_link *p, struct loop *loop, int socket_fd);

static bool no_memory;
static int opens_to_fail;

void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

int __wrap_wire_link_open(struct wire_link *p, struct loop *loop, int socket_fd)
{
	if (opens_to_fail-- > 0) {
		close(socket_fd);
		return -EMFILE;
	}
	return __real_wire_link_open(p, loop, socket_fd);
}

struct rig {
	struct loop *loop;
	struct wire_link link;
	struct timer deadline;
	uint32_t heard, lost;
	bool late;
};

static void on_deadline(struct timer *t)
{
	struct rig *rig = container_of(t, struct rig, deadline);

	rig->late = true;
	loop_stop(rig->loop, 0);
}

static int on_heard(void *self, struct wire_message *m)
{
	struct rig *rig = self;

	rig->heard++;
	loop_stop(rig->loop, 0);
	return 0;
}

static void on_lost(struct wire_link *link, int error)
{
	((struct rig *)link->self)->lost++;
}

static const struct wire_rule rules[] = {{WIRE_IPC_READY, 0, 1, 0, 0, on_heard}};

static void what_a_peer_says_is_heard_without_memory(void **state)
{
	struct rig rig = {.deadline = {.on_due = on_deadline, .name = "deadline"}};
	int theirs_fd, ours_fd;

	assert_int_equal(loop_new(&rig.loop), 0);
	rig.link = (struct wire_link){.name = "test",
				      .rules = rules,
				      .rule_count = 1,
				      .phase = 1,
				      .self = &rig,
				      .lost = on_lost};
	assert_int_equal(wire_pair(&ours_fd, &theirs_fd), 0);
	assert_int_equal(wire_link_open(&rig.link, rig.loop, ours_fd), 0);
	assert_int_equal(wire_send(theirs_fd, WIRE_IPC_READY, NULL, 0, NULL, 0), 0);
	assert_int_equal(loop_timer_at(rig.loop, &rig.deadline, clock_mono_ns() + 2 * NS_PER_SEC),
			 0);
	no_memory = true;
	assert_int_equal(loop_run(rig.loop), 0);
	no_memory = false;
	assert_false(rig.late);
	assert_int_equal(rig.heard, 1);
	assert_int_equal(rig.lost, 0);
	loop_timer_off(rig.loop, &rig.deadline);
	wire_link_close(&rig.link);
	close(theirs_fd);
	loop_free(rig.loop);
}

/* ---- launch ---- */

/* Without a status pipe a child that fails would look as if it had started. The limit of
 * descriptors leaves room for all others that launch_program() makes (16, 17, 18), and none for
 * that pipe. */
static void a_program_without_a_status_pipe_is_not_started(void **state)
{
	struct rlimit before, few;
	SCOPED_FD null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct launch l = {.name = "true",
			   .binary = "/bin/true",
			   .stage_dir = "/nonexistent",
			   .uid = 65534,
			   .control_fd = null_fd,
			   .extra_fd = -1,
			   .log_fd = null_fd};
	const char *step = "";
	pid_t pid = 0;
	int pid_fd = -1, r;

	for (int fd = 16; fd < 24; fd++)
		close(fd); /* descriptors that the test runner left open */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 19;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = launch_program(&l, &pid, &pid_fd, &step);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(r == -EMFILE || r == -EINVAL); /* fcntl(2): a minimum above the limit */
	assert_string_equal(step, "OPEN");
	assert_int_equal(pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- daemon ---- */

struct run {
	struct config config;
	struct daemon daemon;
	struct loop *loop;
	struct timer deadline;
	char stage[32];
	uint32_t started, ended;
	bool late;
};

static void on_late(struct timer *t)
{
	struct run *p = container_of(t, struct run, deadline);

	p->late = true;
	loop_stop(p->loop, 0);
}

/* The first is killed; the second cannot be spoken to; the third must come. */
static void on_started(struct daemon *d)
{
	struct run *p = d->self;

	if (++p->started == 1) {
		opens_to_fail = 1;
		kill(d->pid, SIGKILL);
	} else {
		loop_stop(p->loop, 0);
	}
}

static void on_ended(struct daemon *d)
{
	((struct run *)d->self)->ended++;
}

static void a_restart_that_fails_is_tried_again(void **state)
{
	struct run p = {.deadline = {.on_due = on_late, .name = "late"}};
	const struct program program = {.file = "ebb-ipc",
					.uid = UID_IPC,
					.rules = rules,
					.rule_count = 1,
					.on_started = on_started,
					.on_ended = on_ended};
	const struct estate_rows rows[ESTATE_KIND_COUNT] = {
		[ESTATE_SETTINGS] = {1, 1},
		[ESTATE_FILES] = {1, sizeof(struct estate_file)},
		[ESTATE_PROGRAMS] = {2, sizeof(struct estate_program)},
		[ESTATE_SPECS] = {1, 1},
		[ESTATE_SERVICES] = {1, 1},
		[ESTATE_NETWORK] = {1, 1},
		[ESTATE_EVENTS] = {4, sizeof(struct wire_event)},
		[ESTATE_INSTANCES] = {1, 1},
	};
	struct program_host host = {.config = &p.config, .stage_dir = p.stage};
	char self[400] = "";

	if (geteuid() != 0)
		skip(); /* namespaces and ids */
	log_init("test", LOG_ERROR_LEVEL);
	strcpy(p.stage, "/tmp/ebb-test-peer-XXXXXX");
	assert_non_null(mkdtemp(p.stage));
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	p.config.id_base = 65530;
	snprintf(p.config.libexec_dir, sizeof(p.config.libexec_dir), "%s/..", dirname(self));
	assert_int_equal(loop_new(&p.loop), 0);
	assert_int_equal(estate_new(rows, 1, &host.estate), 0);
	host.loop = p.loop;
	p.daemon.self = &p;
	assert_int_equal(daemon_start(&p.daemon, &program, &host, NULL), 0);
	assert_int_equal(loop_timer_at(p.loop, &p.deadline, clock_mono_ns() + 20 * NS_PER_SEC), 0);
	assert_int_equal(loop_run(p.loop), 0);
	assert_false(p.late);
	assert_int_equal(p.started, 2);
	assert_true(p.ended >= 1);
	loop_timer_off(p.loop, &p.deadline);
	daemon_kill(&p.daemon);
	loop_free(p.loop);
	estate_free(host.estate);
	assert_int_equal(rmdir(p.stage), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_peer_says_is_heard_without_memory),
		cmocka_unit_test(a_program_without_a_status_pipe_is_not_started),
		cmocka_unit_test(a_restart_that_fails_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
