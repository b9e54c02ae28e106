// SPDX-License-Identifier: Apache-2.0
/* The rights of a function in a sandbox, and their limits, tried by a guest in a real sandbox. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "tests/unit/sandbox_rig.h"

#define OUTPUT_SIZE 65536

struct fixture {
	struct rig rig;
	char image[128];
	const char *skip;
};

/* One run of the guest: its output, and its end as PID 1 told it. */
struct run {
	char output[OUTPUT_SIZE];
	struct sandbox_word word;
};

static int open_fixture(void **state)
{
	static struct fixture f;

	*state = &f;
	f.skip = rig_unavailable();
	if (f.skip)
		return 0;
	if (rig_open(&f.rig) < 0 || rig_start(&f.rig, SANDBOX_STEP_COUNT) < 0)
		return -1;
	return rig_image(&f.rig, "image", f.image, sizeof(f.image));
}

static int close_fixture(void **state)
{
	struct fixture *f = *state;

	if (!f->skip)
		rig_close(&f->rig);
	return 0;
}

static struct fixture *need(void **state)
{
	struct fixture *f = *state;

	if (f->skip) {
		print_message("skipped: %s\n", f->skip);
		skip();
	}
	return f;
}

static void start(struct fixture *f, struct box *b, const char *image, const struct wire_exec *exec,
		  int listen_fd)
{
	struct sandbox_word fault = {0};
	int r = box_arm(&f->rig, b, &fault);

	if (r < 0)
		fail_msg("arm: %s: %s: %s", strerror(-r), sandbox_step_name(fault.a),
			 strerror(fault.b));
	r = box_claim(&f->rig, b, image, exec, listen_fd);
	if (r < 0)
		fail_msg("claim: %s", strerror(-r));
}

static void run_exec(struct fixture *f, const char *image, const struct wire_exec *exec,
		     struct run *run)
{
	struct box b;

	start(f, &b, image, exec, -1);
	box_output(&b, run->output, sizeof(run->output));
	assert_int_equal(box_word(&b, &run->word), 1);
	box_close(&b);
	assert_int_equal(access(b.cgroup, F_OK), -1);
}

static void run_guest(struct fixture *f, const char *image, const char *mode, struct run *run)
{
	const char *const argv[] = {"guest", mode, NULL};
	struct wire_exec exec;

	exec_of(&exec, argv);
	run_exec(f, image, &exec, run);
}

static void expect(const struct run *run, const char *const *facts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strstr(run->output, facts[i]))
			fail_msg("missing '%s' in:\n%s", facts[i], run->output);
}

/* A masked file is empty; a file that this kernel lacks needs no mask. */
static void expect_hidden(const struct run *run, const char *name)
{
	char empty[32], absent[32];

	snprintf(empty, sizeof(empty), "\n%s={}\n", name);
	snprintf(absent, sizeof(absent), "\n%s=ENOENT\n", name);
	if (!strstr(run->output, empty) && !strstr(run->output, absent))
		fail_msg("'%s' is neither empty nor absent in:\n%s", name, run->output);
}

static void it_sees_only_itself(void **state)
{
	static const char *const facts[] = {
		"pid=2 ppid=1 uid=1000 gid=1000 sid=2\n",
		"pids=1 2 ;",
		"\nGroups:\t \n",
		"CapPrm:\t0000000000000000",
		"CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000",
		"NoNewPrivs:\t1",
		"Seccomp:\t2",
		"SigBlk:\t0000000000000000",
		"SigIgn:\t0000000000000000",
		"\nfds=0 1 2 3 ;", /* 3 lists them */
		"\nnet=lo ;",
		"nofile=4096/4096 host=api-7 cwd=/\n",
		"env EBB_INSTANCE=api-7\n",
		"firmware=;",
		"127.0.0.1\tlocalhost",
	};
	struct fixture *f = need(state);
	static struct run run;
	char map[64];

	run_guest(f, f->image, "see", &run);
	expect(&run, facts, ARRAY_LEN(facts));
	expect_hidden(&run, "kcore");
	expect_hidden(&run, "timers");
	snprintf(map, sizeof(map), " %u      65536\n", RIG_ID_BASE + (f->rig.next - 1) * 65536);
	assert_non_null(strstr(run.output, map));
	/* Not a path of the host, and nothing mounted outside what we made. */
	assert_null(strstr(run.output, f->rig.dir));
	assert_null(strstr(run.output, "cgroup2"));
	assert_null(strstr(run.output, "ext4"));
	assert_int_equal(run.word.says, SANDBOX_SAYS_EXIT);
}

static void what_is_refused_is_refused(void **state)
{
	static const char *const facts[] = {
		"mount=EPERM",
		"unshare=EPERM",
		"clone_newns=EPERM",
		"clone3=ENOSYS",
		"ptrace=EPERM",
		"mem=EACCES",
		"init_exe=EACCES",
		"init_fds=EACCES",
		"io_uring=EPERM",
		"bpf=EPERM",
		"packet=EAFNOSUPPORT",
		"vsock=EAFNOSUPPORT",
		"route=ok",
		"netfilter=EPROTONOSUPPORT",
		"setuid0=EPERM",
		"sysctl=EACCES",
		"dev_write=EROFS",
		"shm_write=ok",
		"ipc_connect=ok",
		"ipc_unlink=EROFS",
		"null=ok",
		"random=ok",
		"pty=ok",
		"stdout=ok",
		"prlimit1=EPERM",
	};
	struct fixture *f = need(state);
	static struct run run;

	run_guest(f, f->image, "try", &run);
	expect(&run, facts, ARRAY_LEN(facts));
}

static void low_ports_and_loopback_work(void **state)
{
	static const char *const facts[] = {"bind80=ok", "listen80=ok", "connect80=ok"};
	struct fixture *f = need(state);
	static struct run run;

	run_guest(f, f->image, "listen80", &run);
	expect(&run, facts, ARRAY_LEN(facts));
}

static void exit_code_and_signal_are_reported(void **state)
{
	struct fixture *f = need(state);
	static struct run run;

	run_guest(f, f->image, "exit", &run);
	assert_int_equal(run.word.says, SANDBOX_SAYS_EXIT);
	assert_int_equal(run.word.a, 0);
	assert_int_equal(run.word.b, 7);
	run_guest(f, f->image, "die", &run);
	assert_int_equal(run.word.a, 1);
	assert_int_equal(run.word.b, SIGUSR1);
}

static void orphans_are_reaped(void **state)
{
	static const char *const facts[] = {"orphan=reaped"};
	struct fixture *f = need(state);
	static struct run run;

	run_guest(f, f->image, "orphan", &run);
	expect(&run, facts, ARRAY_LEN(facts));
}

/* Sends a signal to PID 1 once the guest waits for one; the guest exits with what it got. */
static int signal_seen(struct fixture *f, int stop_signal, int sent)
{
	const char *const argv[] = {"guest", "signal", NULL};
	struct wire_exec exec;
	struct sandbox_word word;
	struct box b;
	char ready[8];

	exec_of(&exec, argv);
	exec.stop_signal = (uint16_t)stop_signal;
	start(f, &b, f->image, &exec, -1);
	assert_int_equal(fd_read_all(b.output_fd, ready, 6), 6);
	assert_int_equal(pidfd_send_signal(b.armed.pid_fd, sent, NULL, 0), 0);
	assert_int_equal(box_word(&b, &word), 1);
	box_close(&b);
	assert_int_equal(word.a, 0);
	return word.b;
}

static void signals_are_handed_on(void **state)
{
	struct fixture *f = need(state);

	assert_int_equal(signal_seen(f, SIGTERM, SIGTERM), SIGTERM);
	assert_int_equal(signal_seen(f, SIGQUIT, SIGTERM), SIGQUIT);
	assert_int_equal(signal_seen(f, SIGTERM, SIGHUP), SIGHUP);
	assert_int_equal(signal_seen(f, SIGTERM, SIGWINCH), SIGWINCH);
}

static void a_missing_entrypoint_is_a_fault_of_exec(void **state)
{
	static const struct {
		const char *name;
		int err;
	} cases[] = {{"nothing", ENOENT}, {"/bin/nothing", ENOENT}, {"/bin", EACCES}};
	struct fixture *f = need(state);
	static struct run run;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *const argv[] = {cases[i].name, NULL};
		struct wire_exec exec;

		exec_of(&exec, argv);
		run_exec(f, f->image, &exec, &run);
		assert_int_equal(run.word.says, SANDBOX_SAYS_FAULT);
		assert_string_equal(sandbox_step_name(run.word.a), "exec");
		assert_int_equal(run.word.b, cases[i].err);
	}
}

static void after_a_fault_nothing_more_is_said(void **state)
{
	const char *const argv[] = {"nothing", NULL};
	struct fixture *f = need(state);
	struct wire_exec exec;
	struct sandbox_word word;
	struct box b;

	exec_of(&exec, argv);
	start(f, &b, f->image, &exec, -1);
	assert_int_equal(box_word(&b, &word), 1);
	assert_int_equal(word.says, SANDBOX_SAYS_FAULT);
	assert_int_equal(box_word(&b, &word), 0);
	box_close(&b);
}

static void image_entry(const char *image, const char *name, const char *link)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", image, name);
	if (link)
		assert_int_equal(symlink(link, path), 0);
	else
		assert_true(mkdir(path, 0700) == 0);
}

static void mount_points_that_are_links_change_nothing(void **state)
{
	static const char *const facts[] = {"pids=1 2 ;", "net=lo ;",
					    "dev=ptmx stderr stdout stdin fd"};
	struct fixture *f = need(state);
	static struct run run;
	char image[128], outside[160], inside[512];
	struct stat before, after;

	assert_int_equal(rig_image(&f->rig, "evil", image, sizeof(image)), 0);
	snprintf(outside, sizeof(outside), "%s/outside", f->rig.dir);
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(stat(outside, &before), 0);
	image_entry(image, "proc", outside);
	image_entry(image, "sys", "../../../../../../..");
	image_entry(image, "dev", "bin");
	run_guest(f, image, "see", &run);
	expect(&run, facts, ARRAY_LEN(facts));
	expect_hidden(&run, "kcore");
	assert_int_equal(stat(outside, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	/* The image itself is as it was. */
	snprintf(inside, sizeof(inside), "%s/proc", image);
	assert_int_equal(lstat(inside, &after), 0);
	assert_true(S_ISLNK(after.st_mode));
}

static void a_working_directory_is_made(void **state)
{
	static const char *const facts[] = {"cwd=/srv/deep/app\n", "uid=33 gid=33"};
	const char *const argv[] = {"/bin/guest", "see", NULL};
	struct fixture *f = need(state);
	static struct run run;
	struct wire_exec exec;

	exec_of(&exec, argv);
	strcpy(exec.cwd, "/srv/deep/app");
	exec.uid = exec.gid = 33;
	run_exec(f, f->image, &exec, &run);
	expect(&run, facts, ARRAY_LEN(facts));
}

static void uid_0_inside_has_no_power(void **state)
{
	static const char *const facts[] = {"mount=EPERM", "mem=EACCES", "sysctl=EROFS",
					    "setuid0=ok"};
	const char *const argv[] = {"guest", "see", "try", NULL};
	struct fixture *f = need(state);
	static struct run run;
	struct wire_exec exec;

	exec_of(&exec, argv);
	exec.uid = exec.gid = 0;
	run_exec(f, f->image, &exec, &run);
	assert_non_null(strstr(run.output, "CapEff:\t0000000000000000"));
	expect(&run, facts, 2);
	assert_non_null(strstr(run.output, facts[3]));
}

static void groups_are_set(void **state)
{
	const char *const argv[] = {"guest", "see", NULL};
	struct fixture *f = need(state);
	static struct run run;
	struct wire_exec exec;

	exec_of(&exec, argv);
	exec.groups[0] = 4;
	exec.groups[1] = 24;
	exec.group_count = 2;
	run_exec(f, f->image, &exec, &run);
	assert_non_null(strstr(run.output, "\nGroups:\t4 24 \n"));
}

static void a_listening_socket_is_inherited(void **state)
{
	const char *const argv[] = {"guest", "listener", NULL};
	struct fixture *f = need(state);
	int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr address = {.sa_family = AF_UNIX}; /* autobind: an abstract name */
	struct wire_exec exec;
	struct sandbox_word word;
	char output[256];
	struct box b;

	assert_int_equal(bind(listen_fd, &address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listen_fd, 1), 0);
	exec_of(&exec, argv);
	start(f, &b, f->image, &exec, listen_fd);
	box_output(&b, output, sizeof(output));
	assert_int_equal(box_word(&b, &word), 1);
	box_close(&b);
	fd_close(&listen_fd);
	assert_string_equal(output, "listener=ok\naccepting=1 pid_matches=1\n");
}

static void many_layers_stack(void **state)
{
	enum { COUNT = IMAGE_LAYERS_MAX };
	struct fixture *f = need(state);
	int layer_fds[COUNT];
	struct sandbox_word fault;
	struct box b;
	char path[160];
	int root_fd;

	assert_int_equal(box_arm(&f->rig, &b, &fault), 0);
	for (int i = 0; i < COUNT; i++) {
		SCOPED_FD file_fd = -1;

		snprintf(path, sizeof(path), "%s/layer%d", f->rig.dir, i);
		assert_int_equal(mkdir(path, 0755), 0);
		layer_fds[i] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		file_fd = openat(layer_fds[i], "top", O_CREAT | O_WRONLY, 0644);
		assert_int_equal(dprintf(file_fd, "%03d", i), 3);
	}
	root_fd = sandbox_root(layer_fds, COUNT, &b.armed, 1 << 20, "api-7", NULL, f->rig.stage);
	if (root_fd < 0)
		fail_msg("root: %s", strerror(-root_fd));
	assert_int_equal(fd_read_file_at(root_fd, "top", path, sizeof(path)), 3);
	assert_string_equal(path, "126");
	assert_int_equal(rmdir(f->rig.stage), 0); /* empty, nothing mounted on it */
	assert_int_equal(mkdir(f->rig.stage, 0700), 0);
	fd_close(&root_fd);
	for (int i = 0; i < COUNT; i++)
		fd_close(&layer_fds[i]);
	box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_sees_only_itself),
		cmocka_unit_test(what_is_refused_is_refused),
		cmocka_unit_test(low_ports_and_loopback_work),
		cmocka_unit_test(exit_code_and_signal_are_reported),
		cmocka_unit_test(orphans_are_reaped),
		cmocka_unit_test(signals_are_handed_on),
		cmocka_unit_test(a_missing_entrypoint_is_a_fault_of_exec),
		cmocka_unit_test(after_a_fault_nothing_more_is_said),
		cmocka_unit_test(mount_points_that_are_links_change_nothing),
		cmocka_unit_test(a_working_directory_is_made),
		cmocka_unit_test(uid_0_inside_has_no_power),
		cmocka_unit_test(groups_are_set),
		cmocka_unit_test(a_listening_socket_is_inherited),
		cmocka_unit_test(many_layers_stack),
	};

	return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
