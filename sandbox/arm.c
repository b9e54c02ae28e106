// SPDX-License-Identifier: Apache-2.0
/* PID 1 of a sandbox from its first instruction until a claim comes. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

/* Waits for the zygote's word that the ids are mapped. End of file means that the zygote died. */
static int await_map(void)
{
	struct sandbox_word word;
	struct iovec part = {&word, sizeof(word)};
	size_t none;

	return message_recv(CONTROL_FD, &part, 1, NULL, 0, &none, 0) == sizeof(word) ? 0 : -EPIPE;
}

static int become_root_inside(struct inside *in)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return -errno;
	/* A parked sandbox must not outlive the zygote. The death signal is set after the ids,
	 * because a change of ids clears it (prctl(2)). */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? -errno : 0;
}

/* Mounts a copy of the stage on top of the stage and makes it the working directory, below which
 * everything is built. */
static int enter_stage(void)
{
	SCOPED_FD fd = open_tree(AT_FDCWD, "/stage", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || move_mount(fd, "", AT_FDCWD, "/stage", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    fchdir(fd) < 0)
		return -errno;
	return 0;
}

/* Attaches the file system with the sandbox's own device nodes and the material of masks. */
static int place_own(struct inside *in)
{
	if (move_mount(in->own_fd, "", AT_FDCWD, "own", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	fd_close(&in->own_fd);
	return 0;
}

static int make_mounts_private(struct inside *in)
{
	int r = become_root_inside(in);

	if (r < 0)
		return r;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	r = enter_stage();
	return r < 0 ? r : place_own(in);
}

/* Settings for the interface that ebb-net may put into the network namespace. A new namespace has
 * the host's values for IPv4, so on a host that forwards packets an instance would forward packets
 * too. The interface gets no address by itself, and router advertisements and redirects are ignored
 * (kernel: Documentation/networking/ip-sysctl.rst). */
static const struct {
	const char *path, *value;
} network_knobs[] = {
	{"/proc/sys/net/ipv4/ip_forward", "0"},
	{"/proc/sys/net/ipv4/conf/all/rp_filter", "1"},
	{"/proc/sys/net/ipv4/conf/all/accept_redirects", "0"},
	{"/proc/sys/net/ipv4/conf/default/accept_redirects", "0"},
	{"/proc/sys/net/ipv4/conf/default/accept_source_route", "0"},
	{"/proc/sys/net/ipv4/conf/default/send_redirects", "0"},
	{"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
	{"/proc/sys/net/ipv6/conf/default/accept_redirects", "0"},
	{"/proc/sys/net/ipv6/conf/default/autoconf", "0"},
	{"/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1"},
};

static int set_network_knobs(void)
{
	for (size_t i = 0; i < ARRAY_LEN(network_knobs); i++) {
		int r = fd_write_file_at(AT_FDCWD, network_knobs[i].path, network_knobs[i].value);

		/* A kernel without IPv6 has no settings of IPv6. */
		if (r < 0 && !(r == -ENOENT && strstr(network_knobs[i].path, "/ipv6/")))
			return r;
	}
	return 0;
}

static int raise_loopback(struct inside *in)
{
	SCOPED_FD fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int r;

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return -errno;
	r = in->with_wire ? set_network_knobs() : 0;
	if (r < 0)
		return r;
	/* A function may listen on port 80 without being root: the network namespace is its own. */
	return fd_write_file_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
}

static int set_host_name(struct inside *in)
{
	const char *name = in->shared->hostname;

	return sethostname(name, strlen(name)) < 0 ? -errno : 0;
}

/* Does the rest that does not depend on the claim. The pivot leaves the template and its /proc
 * behind: from here on the process sees nothing but the stage. */
static int get_ready(struct inside *in)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	if (prctl(PR_SET_NAME, "ebb:parked") < 0)
		return -errno;
	in->no_caps = cap_init();
	if (!in->no_caps)
		return -errno;
	return drop_bounding_set();
}

/* Forks the process that will be the function. The memory for the head of the claim is touched now,
 * so that no page fault delays the claim. */
static int fork_function(struct inside *in)
{
	struct claim *claim = mmap(NULL, sizeof(*claim), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (claim == MAP_FAILED)
		return -errno;
	memset(claim, 0, offsetof(struct claim, argv));
	claim->root_fd = claim->output_fd = claim->listen_fd = claim->start_fd = -1;
	in->claim = claim;
	in->go_fd = eventfd(0, EFD_CLOEXEC);
	if (in->go_fd < 0)
		return -errno;
	in->function_pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (in->function_pid == 0)
		function_main(in);
	return in->function_pid < 0 ? -errno : 0;
}

static const struct step arm_steps[] = {
	{SANDBOX_PRIVATE_MOUNTS, make_mounts_private},
	{SANDBOX_LOOPBACK, raise_loopback},
	{SANDBOX_HOSTNAME, set_host_name},
	{SANDBOX_PROC, tree_proc},
	{SANDBOX_SYSFS, tree_sys},
	{SANDBOX_DEV, tree_dev},
	{SANDBOX_IPC, ipc_bind},
	{SANDBOX_PARK, get_ready},
	{SANDBOX_FORK, fork_function},
};

void arm_main(const struct shared *shared, const struct zygote_request *request, int own_fd)
{
	struct inside in = {
		.shared = shared,
		.control_fd = CONTROL_FD,
		.own_fd = own_fd,
		.limits_fd = -1,
		.meminfo_fd = -1,
		.proc_fd = -1,
		.sys_fd = -1,
		.dev_fd = -1,
		.go_fd = -1,
		.ring_fd = -1,
		.with_ring = request->with_ring,
		.with_wire = request->with_wire,
		.ipc_fd = -1,
	};
	struct sandbox_word fault;

	if (await_map() < 0)
		_exit(1);
	if (steps_run(&in, arm_steps, ARRAY_LEN(arm_steps), &fault) < 0) {
		step_report(CONTROL_FD, &fault);
		_exit(1);
	}
	claim_main(&in);
}
