// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/sandbox_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"

#define DEADLINE_MS 10000

static const char *const cgroup_mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

static const char *find_cgroup2(void)
{
	for (size_t i = 0; i < 2; i++) {
		struct statfs fs;

		if (statfs(cgroup_mounts[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return cgroup_mounts[i];
	}
	return NULL;
}

const char *rig_unavailable(void)
{
	if (geteuid() != 0)
		return "needs root: namespaces, id maps and mounts";
	if (!find_cgroup2())
		return "needs a cgroup2 mount";
	return NULL;
}

static int beside_self(const char *name, char *out, size_t size)
{
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return -errno;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(out, size, "%s/%s", self, name);
	return access(out, X_OK) < 0 ? -errno : 0;
}

int rig_open(struct rig *r)
{
	int err;

	*r = (struct rig){.dir = "/tmp/ebb-test-sandbox-XXXXXX"};
	/* Sandboxes whose zygote is gone become our children, so that none is left unreaped. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || !mkdtemp(r->dir))
		return -errno;
	snprintf(r->stage, sizeof(r->stage), "%s/stage", r->dir);
	snprintf(r->cgroups, sizeof(r->cgroups), "%s", find_cgroup2());
	if (mkdir(r->stage, 0700) < 0)
		return -errno;
	err = beside_self("../ebb-init", r->init, sizeof(r->init));
	if (err == 0)
		err = beside_self("sandbox_guest", r->guest, sizeof(r->guest));
	return err;
}

int rig_start(struct rig *r, uint32_t fail_step)
{
	const struct sandbox_options options = {
		.init_path = r->init,
		.id_base = RIG_ID_BASE,
		.fail_step = fail_step,
		.hostname = "ebb",
	};
	char text[FAULT_TEXT_SIZE];
	struct fault fault = {0};
	int e = zygote_start(&options, &r->zygote, &fault);

	if (e < 0)
		fprintf(stderr, "%s\n", fault_text(&fault, text));
	return e;
}

void rig_close(struct rig *r)
{
	zygote_stop(r->zygote);
	r->zygote = NULL;
	if (r->dir[0])
		(void)fd_rmtree_at(AT_FDCWD, r->dir);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static int copy_file(const char *from, const char *to)
{
	SCOPED_FD in_fd = open(from, O_RDONLY | O_CLOEXEC);
	SCOPED_FD out_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	struct stat st;
	ssize_t n;

	if (in_fd < 0 || out_fd < 0 || fstat(in_fd, &st) < 0)
		return -errno;
	/* It may stop short, when a signal such as that of a sandbox's end comes. */
	do
		n = sendfile(out_fd, in_fd, NULL, (size_t)st.st_size);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

int rig_image(struct rig *r, const char *name, char *path, size_t size)
{
	char inside[512];

	snprintf(path, size, "%s/%s", r->dir, name);
	snprintf(inside, sizeof(inside), "%s/bin", path);
	if (mkdir(path, 0755) < 0 || mkdir(inside, 0755) < 0)
		return -errno;
	snprintf(inside, sizeof(inside), "%s/bin/guest", path);
	return copy_file(r->guest, inside);
}

void exec_of(struct wire_exec *e, const char *const *argv)
{
	char *at;

	memset(e, 0, sizeof(*e));
	e->uid = e->gid = 1000;
	e->stop_signal = SIGTERM;
	strcpy(e->cwd, "/");
	strcpy(e->env, "PATH=/nowhere:/bin");
	e->envc = 1;
	at = e->argv;
	for (; *argv; argv++, e->argc++)
		at = stpcpy(at, *argv) + 1;
}

static int wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, DEADLINE_MS) == 1 ? 0 : -ETIMEDOUT;
}

int box_arm(struct rig *r, struct box *b, struct sandbox_word *fault)
{
	SCOPED_FD cgroup_fd = -1;
	uint32_t range;
	int e;

	*b = (struct box){.output_fd = -1};
	b->armed = (struct armed){
		.pid_fd = -1, .control_fd = -1, .user_ns_fd = -1, .net_ns_fd = -1, .ipc_fd = -1};
	snprintf(b->cgroup, sizeof(b->cgroup), "%s/ebb-test-%d-%u", r->cgroups, getpid(), r->next);
	if (mkdir(b->cgroup, 0755) < 0)
		return -errno;
	cgroup_fd = open(b->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	e = zygote_arm(r->zygote, r->next++ % 64, r->with_ring, cgroup_fd, NULL, 0);
	if (e == 0)
		e = wait_readable(zygote_fd(r->zygote));
	if (e == 0)
		e = zygote_receive(r->zygote, &b->armed, fault, &range);
	return e == 1 ? 0 : e;
}

static int claim_with(struct rig *r, struct box *b, const char *image, const struct wire_exec *exec,
		      int listen_fd, int start_fd)
{
	SCOPED_FD layer_fd = open(image, O_PATH | O_DIRECTORY | O_CLOEXEC);
	SCOPED_FD root_fd = -1;
	SCOPED_FD write_fd = -1;
	struct sandbox_claim claim = {.exec = exec,
				      .instance_id = "api-7",
				      .listen_fd = listen_fd,
				      .start_fd = start_fd,
				      .nofile_max = 4096};
	int pipe_fds[2];

	if (layer_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	b->output_fd = pipe_fds[0];
	write_fd = pipe_fds[1];
	root_fd = sandbox_root(&layer_fd, 1, &b->armed, 16u << 20, "api-7", NULL, r->stage);
	if (root_fd < 0)
		return root_fd;
	claim.root_fd = root_fd;
	claim.output_fd = write_fd;
	return sandbox_claim(&b->armed, &claim);
}

int box_claim(struct rig *r, struct box *b, const char *image, const struct wire_exec *exec,
	      int listen_fd)
{
	return claim_with(r, b, image, exec, listen_fd, -1);
}

int box_claim_ahead(struct rig *r, struct box *b, const char *image, const struct wire_exec *exec,
		    int listen_fd, int *start_fd)
{
	int pipe_fds[2], e;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	e = claim_with(r, b, image, exec, listen_fd, pipe_fds[0]);
	close(pipe_fds[0]);
	*start_fd = pipe_fds[1];
	return e;
}

int box_word(struct box *b, struct sandbox_word *word)
{
	ssize_t n;
	int r = wait_readable(b->armed.control_fd);

	if (r < 0)
		return r;
	n = recv(b->armed.control_fd, word, sizeof(*word), 0);
	return n == sizeof(*word) ? 1 : n < 0 ? -errno : 0;
}

void box_output(struct box *b, char *text, size_t size)
{
	ssize_t n = fd_read_all(b->output_fd, text, size - 1);

	text[n < 0 ? 0 : n] = '\0';
}

void box_close(struct box *b)
{
	if (b->armed.pid_fd >= 0) {
		(void)pidfd_send_signal(b->armed.pid_fd, SIGKILL, NULL, 0);
		(void)wait_readable(b->armed.pid_fd);
	}
	armed_fini(&b->armed);
	fd_close(&b->output_fd);
	/* The last process leaves the cgroup when it is reaped, a moment after its pidfd is
	 * readable. */
	for (int i = 0; i < 1000 && rmdir(b->cgroup) < 0 && errno == EBUSY; i++)
		(void)poll(NULL, 0, 5);
}
