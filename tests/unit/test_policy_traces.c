// SPDX-License-Identifier: Apache-2.0
/*
 * The policies of functions: they allow the calls of real programs (tests/traces), and refuse the
 * calls that no function may make. The test interprets the filters as the kernel does
 * (linux/filter.h), so that it can ask about any call with any argument.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/seccomp.h>

#include "runtime/base/fault.h"
#include "runtime/base/filter.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define LISTS     "tests/traces"
#define CALLS_MAX 1024

struct policy {
	const char *name;
	struct filter filter;
	/* Names that real programs ask for and do without. */
	const char *const *refused;
};

/* Each with what happens instead. */
static const char *const plain_refused[] = {
	"clone3",            /* clone */
	"io_uring_setup",    /* epoll, threads */
	"sync",              /* nothing: it would flush every disk of the host */
	"ioctl 0x40049409",  /* cp copies */
	"get_mempolicy",     /* memory lies anywhere */
	"name_to_handle_at", /* mount points are compared by stat */
	"mmap 0x40071",      /* PHP: pages of the usual size */
	"sched_getattr",
	"sched_setattr",
	"readahead",
	"mincore",
	NULL,
};
static const char *const strict_refused[] = {
	"clone3", "io_uring_setup", "sync", "ioctl 0x40049409", "mmap 0x40071",
	/* Calls that a strict service does without: for ptys, fifos, written attributes, whole file
	 * systems, roots and ids. */
	"ioctl 0x80045430", "ioctl 0x40045431", "ioctl 0x5441", "ioctl 0x540e", "mknodat",
	"fsetxattr", "syncfs", "chroot", "personality", "setfsuid", "setfsgid", "readahead",
	"ioctl 0x5429", "fremovexattr", NULL};

static struct policy plain = {.name = "default", .refused = plain_refused};
static struct policy strict = {.name = "strict", .refused = strict_refused};
static struct policy ring = {.name = "ring"}, zygote = {.name = "zygote"};

/* The comparison of a jump of classic BPF. */
static bool jumps(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGT:
		return a > i->k;
	case BPF_JGE:
		return a >= i->k;
	case BPF_JSET:
		return a & i->k;
	default:
		fail_msg("unknown jump %#x", i->code);
		return false;
	}
}

static uint32_t run(const struct filter *f, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t at = 0; at < f->count; at++) {
		const struct sock_filter *i = &f->insns[at];

		switch (BPF_CLASS(i->code)) {
		case BPF_LD:
			assert_true(i->k + sizeof(a) <= sizeof(*data));
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			break;
		case BPF_ALU:
			assert_int_equal(BPF_OP(i->code), BPF_AND);
			a &= i->k;
			break;
		case BPF_JMP:
			if (BPF_OP(i->code) == BPF_JA)
				at += i->k;
			else
				at += jumps(i, a) ? i->jt : i->jf;
			break;
		case BPF_RET:
			return i->k;
		default:
			fail_msg("unknown instruction %#x", i->code);
		}
	}
	fail_msg("the filter has no end");
	return 0;
}

static uint32_t ask(const struct policy *p, int nr, const uint64_t args[6])
{
	struct seccomp_data data = {.nr = nr, .arch = AUDIT_ARCH_X86_64};

	memcpy(data.args, args, sizeof(data.args));
	return run(&p->filter, &data);
}

static bool may_be_refused(const struct policy *p, const char *name, uint64_t request)
{
	char with[64];

	snprintf(with, sizeof(with), "%s %#llx", name, (unsigned long long)request);
	for (const char *const *n = p->refused; *n; n++)
		if (strcmp(*n, name) == 0 || strcmp(*n, with) == 0)
			return true;
	return false;
}

/* "ioctl 16 1=0x5401": puts it to the policy. False if it is refused and may not be. */
static bool line_passes(const struct policy *p, const char *list, char *line)
{
	uint64_t args[6] = {0}, first = 0;
	char *rest = NULL, *name = strtok_r(line, " \n", &rest);
	const char *word = strtok_r(NULL, " \n", &rest);
	int nr = word ? atoi(word) : -1;

	assert_true(nr >= 0);
	while ((word = strtok_r(NULL, " \n", &rest))) {
		args[*word - '0'] = strtoull(word + 2, NULL, 0);
		if (!first)
			first = args[*word - '0'];
	}
	if (ask(p, nr, args) == SECCOMP_RET_ALLOW || may_be_refused(p, name, first))
		return true;
	print_error("%s: %s %#llx is refused by %s.policy\n", list, name, (unsigned long long)first,
		    p->name);
	return false;
}

static int count_refused(const struct policy *p, const char *list)
{
	char path[512], line[256], last[64] = "";
	int refused = 0, names = 0;
	FILE *f;

	snprintf(path, sizeof(path), LISTS "/%s", list);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#')
			continue;
		names += strncmp(line, last, strcspn(line, " ") + 1) != 0;
		snprintf(last, sizeof(last), "%.*s ", (int)strcspn(line, " "), line);
		refused += !line_passes(p, list, line);
	}
	fclose(f);
	assert_true(names > 20);
	print_message("%s.policy: %.*s asks for %d calls\n", p->name, (int)strcspn(list, "."), list,
		      names);
	return refused;
}

/* How many calls are allowed with some arguments: zeros, or a few values that conditions name. */
static unsigned int count_allowed(const struct policy *p)
{
	static const uint64_t values[] = {0, 1, 2, 0x5401, 0x1002};
	unsigned int allowed = 0;

	for (int nr = 0; nr < CALLS_MAX; nr++) {
		bool any = false;

		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			const uint64_t args[6] = {values[i], values[i]}, at_0[6] = {values[i]},
				       at_0_1[6] = {values[i], 1};

			any |= ask(p, nr, args) == SECCOMP_RET_ALLOW ||
			       ask(p, nr, at_0) == SECCOMP_RET_ALLOW ||
			       ask(p, nr, at_0_1) == SECCOMP_RET_ALLOW;
		}
		allowed += any;
	}
	return allowed;
}

static void programs_run_under(struct policy *p)
{
	DIR *dir = opendir(LISTS);
	const struct dirent *entry;
	int refused = 0, lists = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (!strstr(entry->d_name, ".calls"))
			continue;
		lists++;
		refused += count_refused(p, entry->d_name);
	}
	closedir(dir);
	print_message("%s.policy: %u calls allowed, %u instructions, held against %d programs\n",
		      p->name, count_allowed(p), p->filter.count, lists);
	assert_true(lists >= 16);
	assert_int_equal(refused, 0);
}

static void real_programs_run_under_the_default(void **state)
{
	programs_run_under(&plain);
}

static void real_programs_run_under_strict(void **state)
{
	programs_run_under(&strict);
}

/* A call: nr is a name of the kernel's header, or the number where an old header lacks the name. */
struct question {
	const char *what;
	int nr;
	uint64_t args[6];
	int err; /* the filter's answer; 0: allowed */
};
#define STRAY (UINT64_C(1) << 32) /* a bit the kernel does not read of an int */
static const struct question questions[] = {
	{"TIOCSTI", SYS_ioctl, {0, 0x5412}, EPERM},
	{"TIOCSTI, stray bit", SYS_ioctl, {0, 0x5412 | STRAY}, EPERM},
	{"TIOCLINUX", SYS_ioctl, {0, 0x541c}, EPERM},
	{"TIOCCONS", SYS_ioctl, {0, 0x541d}, EPERM},
	{"TIOCSETD", SYS_ioctl, {0, 0x5423}, EPERM},
	{"FS_IOC_SETFLAGS", SYS_ioctl, {0, 0x40086602}, ENOSYS},
	{"FS_IOC_FSSETXATTR", SYS_ioctl, {0, 0x401c5820}, ENOTTY},
	{"FS_IOC_ENABLE_VERITY", SYS_ioctl, {0, 0x40806685}, ENOSYS},
	{"FIFREEZE", SYS_ioctl, {0, 0xc0045877}, ENOTTY},
	{"FICLONE", SYS_ioctl, {0, 0x40049409}, EOPNOTSUPP},
	{"SIOCSIFFLAGS", SYS_ioctl, {0, 0x8914}, ENOSYS},
	{"SIOCETHTOOL", SYS_ioctl, {0, 0x8946}, ENOSYS},
	{"BLKROSET", SYS_ioctl, {0, 0x125d}, ENOTTY},
	{"NS_GET_USERNS", SYS_ioctl, {0, 0xb701}, ENOSYS},
	{"TUNSETIFF", SYS_ioctl, {0, 0x400454ca}, ENOSYS},
	{"KVM_CREATE_VM", SYS_ioctl, {0, 0xae01}, ENOSYS},
	{"an unknown request", SYS_ioctl, {0, 0xdeadbeef}, ENOSYS},
	{"TCGETS", SYS_ioctl, {0, 0x5401}, 0},
	{"PR_SET_MM", SYS_prctl, {35}, ENOSYS},
	{"PR_SET_SYSCALL_USER_DISPATCH", SYS_prctl, {59}, ENOSYS},
	{"PR_SCHED_CORE", SYS_prctl, {62}, ENOSYS},
	{"PR_SET_MEMORY_MERGE", SYS_prctl, {67}, EINVAL},
	{"PR_SET_PTRACER", SYS_prctl, {0x59616d61}, ENOSYS},
	{"PR_SET_NAME", SYS_prctl, {15}, 0},
	{"CLONE_NEWUSER", SYS_clone, {0x10000011}, EPERM},
	{"CLONE_NEWUSER, stray bit", SYS_clone, {0x10000011 | STRAY}, EPERM},
	{"CLONE_NEWNS", SYS_clone, {0x20011}, EPERM},
	{"CLONE_PARENT", SYS_clone, {0x8011}, ENOSYS},
	{"a thread", SYS_clone, {0x3d0f00}, 0},
	{"clone3", SYS_clone3, {0}, ENOSYS},
	{"raw packets", SYS_socket, {2, 3, 255}, EPERM},
	{"raw packets, cloexec", SYS_socket, {2, 3 | 02000000, 1}, EPERM},
	{"SOCK_PACKET", SYS_socket, {2, 10, 3}, ENOSYS},
	{"SOCK_RDM", SYS_socket, {2, 4, 0}, ENOSYS},
	{"sctp", SYS_socket, {2, 1, 132}, EPROTONOSUPPORT},
	{"mptcp", SYS_socket, {2, 1, 262}, EPROTONOSUPPORT},
	{"smc over inet6", SYS_socket, {10, 1, 256}, EPROTONOSUPPORT},
	{"dccp", SYS_socket, {2, 6, 33}, ENOSYS},
	{"packet", SYS_socket, {17, 3, 0}, EAFNOSUPPORT},
	{"alg", SYS_socket, {38, 5, 0}, EAFNOSUPPORT},
	{"vsock", SYS_socket, {40, 1, 0}, EAFNOSUPPORT},
	{"xdp", SYS_socket, {44, 3, 0}, EAFNOSUPPORT},
	{"key", SYS_socket, {15, 3, 2}, EAFNOSUPPORT},
	{"ax25", SYS_socket, {3, 5, 0}, EAFNOSUPPORT},
	{"nf_tables", SYS_socket, {16, 3, 12}, EPROTONOSUPPORT},
	{"xfrm", SYS_socket, {16, 3, 6}, EPROTONOSUPPORT},
	{"route", SYS_socket, {16, 3, 0}, 0},
	{"tcp", SYS_socket, {2, 1 | 02004000, 6}, 0},
	{"SO_SET_REPLACE of iptables", SYS_setsockopt, {0, 0, 64}, EPERM},
	{"the same of ip6tables", SYS_setsockopt, {0, 41, 64}, EPERM},
	{"the same of arptables", SYS_setsockopt, {0, 0, 96}, ENOSYS},
	{"TCP_ULP", SYS_setsockopt, {0, 6, 31}, ENOPROTOOPT},
	{"TCP_ULP, stray bit", SYS_setsockopt, {0, 6, 31 | STRAY}, ENOPROTOOPT},
	{"TCP_NODELAY", SYS_setsockopt, {0, 6, 1}, 0},
	{"SOL_PACKET", SYS_setsockopt, {0, 263, 5}, ENOSYS},
	{"SOL_ALG", SYS_setsockopt, {0, 279, 1}, ENOSYS},
	{"F_SETLEASE", SYS_fcntl, {0, 1024}, EINVAL},
	{"F_NOTIFY", SYS_fcntl, {0, 1026}, EINVAL},
	{"F_SET_RW_HINT", SYS_fcntl, {0, 1036}, ENOSYS},
	{"F_SETLK", SYS_fcntl, {0, 6}, 0},
	{"F_DUPFD_CLOEXEC", SYS_fcntl, {0, 1030}, 0},
	{"F_ADD_SEALS", SYS_fcntl, {0, 1033}, 0},
	{"MAP_HUGETLB", SYS_mmap, {0, 4096, 3, 0x40022}, ENOMEM},
	{"MFD_HUGETLB", SYS_memfd_create, {0, 4}, EINVAL},
	{"MADV_MERGEABLE", SYS_madvise, {0, 0, 12}, EINVAL},
	{"MADV_MERGEABLE, stray bit", SYS_madvise, {0, 0, 12 | STRAY}, EINVAL},
	{"MADV_HWPOISON", SYS_madvise, {0, 0, 100}, EPERM},
	{"MADV_DONTNEED", SYS_madvise, {0, 0, 4}, 0},
	{"RWF_NOWAIT", SYS_preadv2, {0, 0, 0, 0, 0, 8}, EOPNOTSUPP},
	{"mincore", SYS_mincore, {0}, ENOSYS},
	{"cachestat", 451, {0}, ENOSYS},
	{"a listener", SYS_seccomp, {1, 8}, ENOSYS},
	{"a filter", SYS_seccomp, {1, 1}, 0},
	{"cpuid faults", SYS_arch_prctl, {0x1012}, ENOSYS},
	{"the vdso of 32 bits", SYS_arch_prctl, {0x2002}, ENOSYS},
	{"landlock", SYS_landlock_create_ruleset, {0}, 0},
	{"rseq", SYS_rseq, {0}, 0},
	{"membarrier", SYS_membarrier, {0}, 0},
	{"mbind", SYS_mbind, {0}, EPERM},
	{"limits of others", SYS_prlimit64, {1}, EPERM},
	{"sync", SYS_sync, {0}, ENOSYS},
	{"io_uring_setup", SYS_io_uring_setup, {0}, EPERM},
	{"io_uring_register", SYS_io_uring_register, {0}, EPERM},
	{"a call of tomorrow", 700, {0}, ENOSYS},
	{"the call after it", 701, {0}, ENOSYS},
	{"lsm_set_self_attr", 460, {0}, ENOSYS},
	{"open_tree_attr", 467, {0}, ENOSYS},
	{"listmount", 458, {0}, ENOSYS},
};

/* Strict may refuse more, and otherwise; never less. */
static void hostile_arguments_are_refused(void **state)
{
	int wrong = 0;

	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		const struct question *q = &questions[i];
		uint32_t expected =
			q->err ? SECCOMP_RET_ERRNO | (uint32_t)q->err : (uint32_t)SECCOMP_RET_ALLOW;
		uint32_t seen = ask(&plain, q->nr, q->args);

		if (seen != expected) {
			print_error("%s: %#x, not %#x\n", q->what, seen, expected);
			wrong++;
		}
		if (q->err && ask(&strict, q->nr, q->args) == SECCOMP_RET_ALLOW) {
			print_error("%s: strict allows it\n", q->what);
			wrong++;
		}
	}
	print_message("%zu questions\n", ARRAY_LEN(questions));
	assert_int_equal(wrong, 0);
}

/* A limit of 0 would let crashes start a program of the host (core(5)); the answer is success. */
static void nobody_changes_the_limit_for_core_files(void **state)
{
	static const struct {
		long nr;
		uint64_t args[6];
		bool allowed;
	} cases[] = {
		{SYS_setrlimit, {4, 1}, false},        {SYS_setrlimit, {4 | STRAY, 1}, false},
		{SYS_prlimit64, {0, 4, 1}, false},     {SYS_prlimit64, {0, 4 | STRAY, 1}, false},
		{SYS_prlimit64, {0, 4, STRAY}, false}, {SYS_prlimit64, {0, 4, 1, 1}, false},
		{SYS_prlimit64, {0, 4, 0, 1}, true}, /* asks */
		{SYS_getrlimit, {4, 1}, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(ask(&plain, cases[i].nr, cases[i].args),
				 cases[i].allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO);
	for (uint64_t resource = 0; resource < 16; resource++) {
		const uint64_t set[6] = {resource, 1}, own[6] = {0, resource, 1};

		if (resource == 4)
			continue;
		assert_int_equal(ask(&plain, SYS_setrlimit, set), SECCOMP_RET_ALLOW);
		assert_int_equal(ask(&plain, SYS_prlimit64, own), SECCOMP_RET_ALLOW);
	}
}

/* Every family, type and protocol there could be. */
static void only_five_kinds_of_socket_exist(void **state)
{
	unsigned int asked = 0, allowed = 0;

	for (uint64_t family = 0; family < 64; family++)
		for (uint64_t type = 0; type < 16; type++)
			for (uint64_t protocol = 0; protocol < 300; protocol++) {
				const uint64_t args[6] = {family, type, protocol};

				asked++;
				allowed += ask(&plain, SYS_socket, args) == SECCOMP_RET_ALLOW;
			}
	print_message("%u kinds of sockets asked for, %u allowed\n", asked, allowed);
	/* unix: 3 types, whose protocol the kernel checks; 5 of inet, 5 of inet6, 2 of netlink */
	assert_int_equal(allowed, 3 * 300 + 12);
}

static void every_other_architecture_is_killed(void **state)
{
	static const uint32_t arches[] = {AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0};

	for (size_t i = 0; i < ARRAY_LEN(arches); i++)
		for (int nr = 0; nr < CALLS_MAX; nr++) {
			const struct seccomp_data data = {.nr = nr, .arch = arches[i]};

			assert_int_equal(run(&plain.filter, &data), SECCOMP_RET_KILL_PROCESS);
			assert_int_equal(run(&strict.filter, &data), SECCOMP_RET_KILL_PROCESS);
		}
	for (int nr = 0; nr < CALLS_MAX; nr++) {
		const struct seccomp_data x32 = {.nr = nr | 0x40000000, .arch = AUDIT_ARCH_X86_64};

		assert_int_equal(run(&plain.filter, &x32), SECCOMP_RET_KILL_PROCESS);
	}
}

/* The zygote's filter stands over every function's too: it must not refuse what theirs allows. */
static void the_zygote_passes_what_functions_may_ask(void **state)
{
	int refused = 0;

	zygote.refused = plain_refused;
	programs_run_under(&zygote);
	for (int nr = 0; nr < CALLS_MAX; nr++)
		for (uint64_t value = 0; value < 64; value++) {
			const uint64_t args[6] = {value, value, value, value};

			if (ask(&plain, nr, args) == SECCOMP_RET_ALLOW)
				refused += ask(&zygote, nr, args) != SECCOMP_RET_ALLOW;
		}
	assert_int_equal(refused, 0);
	assert_int_equal(ask(&zygote, SYS_io_uring_enter, (const uint64_t[6]){4}),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&ring, SYS_io_uring_enter, (const uint64_t[6]){4}), SECCOMP_RET_ALLOW);
}

static void the_zygote_can_not_reach_the_host(void **state)
{
	static const int never[] = {
		SYS_init_module,
		SYS_finit_module,
		SYS_delete_module,
		SYS_kexec_load,
		SYS_reboot,
		SYS_swapon,
		SYS_bpf,
		SYS_ptrace,
		SYS_setns,
		SYS_unshare,
		SYS_chroot,
		SYS_keyctl,
		SYS_perf_event_open,
		SYS_open_by_handle_at,
		SYS_process_vm_writev,
		SYS_settimeofday,
		SYS_clock_settime,
		SYS_iopl,
		SYS_acct,
		SYS_syslog,
		SYS_pidfd_getfd,
		SYS_userfaultfd,
		SYS_fanotify_init,
		SYS_quotactl,
	};
	/* A disk; a bind mount; the lazy end of somebody else's mount is MNT_DETACH alone. */
	const uint64_t disk[6] = {0, 0, 0x6000, 0x800}, memory[6] = {0, 0, 0x2000, 0x101};
	const uint64_t bind[6] = {0, 0, 0, 0x1000}, force[6] = {0, 1};

	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		assert_int_not_equal(ask(&zygote, never[i], (const uint64_t[6]){0}),
				     SECCOMP_RET_ALLOW);
	assert_int_not_equal(ask(&zygote, SYS_mknodat, disk), SECCOMP_RET_ALLOW);
	assert_int_not_equal(ask(&zygote, SYS_mknodat, memory), SECCOMP_RET_ALLOW);
	assert_int_not_equal(ask(&zygote, SYS_mount, bind), SECCOMP_RET_ALLOW);
	assert_int_not_equal(ask(&zygote, SYS_umount2, force), SECCOMP_RET_ALLOW);
	print_message("zygote: %u calls allowed, %u instructions\n", count_allowed(&zygote),
		      zygote.filter.count);
}

/* A host's own text may say less, more or otherwise about the calls that arming needs. */
static void a_text_of_the_host_is_completed(void **state)
{
	static const char text[] = "default errno ENOSYS # r\nallow ioctl # all\n"
				   "errno mount EPERM # r\nallow mknodat # all\n"
				   "optional kill io_uring_enter # r\nallow fsopen # r\n";
	char path[] = "/tmp/ebb-test-policy-XXXXXX";
	struct fault fault = {0};
	struct policy seen[4] = {0};
	const struct policies out = {&seen[0].filter, &seen[1].filter, &seen[2].filter,
				     &seen[3].filter};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	if (policies_compile(path, &out, &fault) < 0)
		fail_msg("%s", fault.what);
	unlink(path);
	assert_int_equal(ask(&seen[0], SYS_io_uring_enter, (const uint64_t[6]){4}),
			 SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(ask(&seen[1], SYS_io_uring_enter, (const uint64_t[6]){4}),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&seen[3], SYS_mount, (const uint64_t[6]){0, 0, 0, 0x44000}),
			 SECCOMP_RET_ALLOW);
	assert_int_equal(ask(&seen[3], SYS_ioctl, (const uint64_t[6]){0, 0x5412}),
			 SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		filter_fini(&seen[i].filter);
}

static int open_policies(void **state)
{
	const struct policies out = {&plain.filter, &ring.filter, &strict.filter, &zygote.filter};
	struct fault fault = {0};
	int r = policies_compile(NULL, &out, &fault);

	if (r < 0)
		print_error("%s\n", fault.what);
	return r;
}

static int close_policies(void **state)
{
	filter_fini(&plain.filter);
	filter_fini(&ring.filter);
	filter_fini(&strict.filter);
	filter_fini(&zygote.filter);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_programs_run_under_the_default),
		cmocka_unit_test(real_programs_run_under_strict),
		cmocka_unit_test(hostile_arguments_are_refused),
		cmocka_unit_test(nobody_changes_the_limit_for_core_files),
		cmocka_unit_test(only_five_kinds_of_socket_exist),
		cmocka_unit_test(every_other_architecture_is_killed),
		cmocka_unit_test(the_zygote_passes_what_functions_may_ask),
		cmocka_unit_test(the_zygote_can_not_reach_the_host),
		cmocka_unit_test(a_text_of_the_host_is_completed),
	};

	return cmocka_run_group_tests(tests, open_policies, close_policies);
}
