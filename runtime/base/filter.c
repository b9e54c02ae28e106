// SPDX-License-Identifier: Apache-2.0
/* clang-format off */
/*
 * Policy text -> BPF, by libseccomp. Line by line; blank lines and lines that begin with # are
 * skipped, everything else needs a reason:
 *
 *   default ACTION [ERRNO]                     # why
 *   [optional] allow|kill|log NAME [COND]...   # why
 *   [optional] errno NAME ERRNO [COND]...      # why
 *
 *   ACTION  allow | kill | trap | log | errno ERRNO     (trap: SIGSYS, and the call is named)
 *   COND    argN OP VALUE  |  argN & VALUE == VALUE     (N 0..5, OP == != < <= > >=)
 *   VALUE   number (decimal, 0x..) or name from value_names, several joined by | without spaces
 *
 * Conditions on one line must all hold; several lines for one name are alternatives. Lines for one
 * name that overlap with different actions are not always refused here, and the order inside the
 * filter of libseccomp then decides between them: keep them disjoint. Comparisons are of all 64
 * bits; arguments that the kernel reads as 32 bits must be masked (arg0 & 0xffffffff == V) wherever
 * a stray high bit would turn a refusal into a permission. The native architecture only; any other,
 * x32 included, kills the process.
 */
/* clang-format on */
#include "runtime/base/filter.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"

#define LINE_SIZE_MAX 512
#define WORDS_MAX     40
#define ARGS_MAX      6

struct named_value {
	const char *name;
	uint64_t value;
};

/* Numbers of the ABI of the kernel that policies may name. */
static const struct named_value value_names[] = {
	{"AF_UNIX", 1},
	{"AF_INET", 2},
	{"AF_INET6", 10},
	{"AF_NETLINK", 16},
	{"NETLINK_ROUTE", 0},
	{"LOW32", 0xffffffff},
	{"SOCK_TYPE", 0xfff7f7ff}, /* all but SOCK_CLOEXEC and SOCK_NONBLOCK */
	{"SOCK_STREAM", 1},
	{"SOCK_DGRAM", 2},
	{"SOCK_RAW", 3},
	{"SOCK_SEQPACKET", 5},
	{"S_IFMT", 0xf000},
	{"S_IFIFO", 0x1000},
	{"S_IFCHR", 0x2000},
	{"S_IFBLK", 0x6000},
	{"S_IFREG", 0x8000},
	{"S_IFSOCK", 0xc000},
	{"MAP_HUGETLB", 0x40000},
	{"MFD_HUGETLB", 0x4},
	{"SHM_HUGETLB", 0x800},
	{"RWF_NOWAIT", 0x8},
	{"CLONE_NEWNS", 0x00020000},
	{"CLONE_NEWCGROUP", 0x02000000},
	{"CLONE_NEWUTS", 0x04000000},
	{"CLONE_NEWIPC", 0x08000000},
	{"CLONE_NEWUSER", 0x10000000},
	{"CLONE_NEWPID", 0x20000000},
	{"CLONE_NEWNET", 0x40000000},
	{"CLONE_NEW_ANY", 0x7e020000}, /* all of the above */
	{"CLONE_ODD", 0x7e02a000},     /* and CLONE_PARENT, CLONE_PTRACE */
	{"PROT_EXEC", 4},
	{"PROT_WRITE", 2},
	{"MAP_ANONYMOUS", 0x20},
	{"PR_SET_NAME", 15},
};

static const struct named_value errno_names[] = {
	{"OK", 0}, /* the call does nothing, and its caller believes that it did */
	{"EPERM", EPERM},
	{"EACCES", EACCES},
	{"ENOSYS", ENOSYS},
	{"EINVAL", EINVAL},
	{"ENOTTY", ENOTTY},
	{"EBADF", EBADF},
	{"EAFNOSUPPORT", EAFNOSUPPORT},
	{"EROFS", EROFS},
	{"EPROTONOSUPPORT", EPROTONOSUPPORT},
	{"ENOMEM", ENOMEM},
	{"ENOENT", ENOENT},
	{"ENOPROTOOPT", ENOPROTOOPT},
	{"EOPNOTSUPP", EOPNOTSUPP},
};

static const struct named_value action_names[] = {
	{"allow", SCMP_ACT_ALLOW}, {"kill", SCMP_ACT_KILL_PROCESS}, {"trap", SCMP_ACT_TRAP},
	{"log", SCMP_ACT_LOG},     {"errno", SCMP_ACT_ERRNO(0)},
};

struct comparison {
	const char *text;
	enum scmp_compare op;
};

static const struct comparison operators[] = {
	{"==", SCMP_CMP_EQ}, {"!=", SCMP_CMP_NE}, {"<", SCMP_CMP_LT},
	{"<=", SCMP_CMP_LE}, {">", SCMP_CMP_GT},  {">=", SCMP_CMP_GE},
};

/* The line that is being read: its words, and the next one to read. */
struct line {
	unsigned int number;
	char text[LINE_SIZE_MAX];
	char *words[WORDS_MAX];
	size_t count, next;
	char *err;
	size_t err_size;
};

struct rule {
	bool is_default, optional;
	uint32_t action;
	const char *name;
	struct scmp_arg_cmp args[ARGS_MAX];
	unsigned int arg_count;
};

static int refuse(const struct line *l, const char *what, const char *word)
{
	snprintf(l->err, l->err_size, "line %u: %s%s%s%s", l->number, what, word ? " '" : "",
		 word ? word : "", word ? "'" : "");
	return -EINVAL;
}

static const char *next_word(struct line *l)
{
	return l->next < l->count ? l->words[l->next++] : NULL;
}

static bool look_up(const struct named_value *table, size_t count, const char *name, uint64_t *out)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) != 0)
			continue;
		*out = table[i].value;
		return true;
	}
	return false;
}

static bool parse_one_value(const char *text, uint64_t *out)
{
	char *end;

	if (look_up(value_names, ARRAY_LEN(value_names), text, out))
		return true;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 0);
	return errno == 0 && *end == '\0';
}

/* Reads A|B|C; cuts the word up. */
static int parse_value(struct line *l, uint64_t *out)
{
	char *word = (char *)next_word(l), *part, *rest = NULL;
	uint64_t all = 0, one;

	if (!word)
		return refuse(l, "a value is missing", NULL);
	for (part = strtok_r(word, "|", &rest); part; part = strtok_r(NULL, "|", &rest)) {
		if (!parse_one_value(part, &one))
			return refuse(l, "not a number or a known name:", part);
		all |= one;
	}
	*out = all;
	return 0;
}

static int parse_errno(struct line *l, uint32_t *out_action)
{
	const char *word = next_word(l);
	uint64_t number;

	if (!word || !look_up(errno_names, ARRAY_LEN(errno_names), word, &number))
		return refuse(l, "an errno name is expected, not", word ? word : "the end");
	*out_action = SCMP_ACT_ERRNO((uint32_t)number);
	return 0;
}

static int parse_masked(struct line *l, struct scmp_arg_cmp *arg)
{
	const char *word;
	int r = parse_value(l, &arg->datum_a);

	if (r < 0)
		return r;
	word = next_word(l);
	if (!word || strcmp(word, "==") != 0)
		return refuse(l, "a mask must be followed by == VALUE, not",
			      word ? word : "the end");
	arg->op = SCMP_CMP_MASKED_EQ;
	return parse_value(l, &arg->datum_b);
}

static int parse_condition(struct line *l, const char *word, struct scmp_arg_cmp *out)
{
	struct scmp_arg_cmp arg = {0};
	const char *op;
	int r;

	if (strncmp(word, "arg", 3) != 0 || word[3] < '0' || word[3] > '5' || word[4])
		return refuse(l, "arg0 to arg5 is expected, not", word);
	arg.arg = (unsigned int)(word[3] - '0');
	op = next_word(l);
	if (op && strcmp(op, "&") == 0) {
		r = parse_masked(l, &arg);
		if (r == 0)
			*out = arg;
		return r;
	}
	for (size_t i = 0; op && i < ARRAY_LEN(operators); i++) {
		if (strcmp(operators[i].text, op) != 0)
			continue;
		arg.op = operators[i].op;
		r = parse_value(l, &arg.datum_a);
		if (r == 0)
			*out = arg;
		return r;
	}
	return refuse(l, "unknown comparison", op ? op : "the end");
}

static int parse_rule(struct line *l, struct rule *out)
{
	struct rule rule = {0};
	const char *word = next_word(l);
	uint64_t action;
	int r;

	rule.is_default = word && strcmp(word, "default") == 0;
	rule.optional = word && strcmp(word, "optional") == 0;
	if (rule.is_default || rule.optional)
		word = next_word(l);
	if (!word || !look_up(action_names, ARRAY_LEN(action_names), word, &action))
		return refuse(l, "allow, errno, kill, trap or log is expected, not",
			      word ? word : "the end");
	rule.action = (uint32_t)action;
	if (!rule.is_default && !(rule.name = next_word(l)))
		return refuse(l, "a system call's name is missing", NULL);
	if (rule.action == SCMP_ACT_ERRNO(0)) {
		r = parse_errno(l, &rule.action);
		if (r < 0)
			return r;
	}
	while ((word = next_word(l))) {
		if (rule.is_default || rule.arg_count == ARGS_MAX)
			return refuse(l, "nothing more is expected here:", word);
		r = parse_condition(l, word, &rule.args[rule.arg_count++]);
		if (r < 0)
			return r;
	}
	*out = rule;
	return 0;
}

static int add_rule(scmp_filter_ctx ctx, struct line *l, const struct rule *rule)
{
	int nr = seccomp_syscall_resolve_name(rule->name);
	int r;

	/* A call of another architecture has a negative pseudo number: there is nothing to filter
	 * here. */
	if (nr < 0 && rule->optional)
		return 0;
	if (nr < 0)
		return refuse(l, "not a system call here (say optional if it may be missing):",
			      rule->name);
	r = seccomp_rule_add_array(ctx, rule->action, nr, rule->arg_count, rule->args);
	if (r == -EEXIST || r == -EINVAL)
		return refuse(l, "repeats or conflicts with an earlier line:", rule->name);
	/* The action equals the default: such lines stay in texts for their readers. */
	if (r == -EACCES)
		return 0;
	return r;
}

/* Splits a line of text into words. 1; 0 when it holds no rule; -EINVAL. */
static int read_line(struct line *l, const char *text, size_t size)
{
	char *reason, *rest = NULL, *word;

	l->count = l->next = 0;
	if (size >= sizeof(l->text))
		return refuse(l, "too long", NULL);
	memcpy(l->text, text, size);
	l->text[size] = '\0';
	if (memchr(text, '\0', size))
		return refuse(l, "holds a NUL byte", NULL);
	reason = strchr(l->text, '#');
	if (reason)
		*reason++ = '\0';
	for (word = strtok_r(l->text, " \t\r", &rest); word;
	     word = strtok_r(NULL, " \t\r", &rest)) {
		if (l->count == WORDS_MAX)
			return refuse(l, "too many words", NULL);
		l->words[l->count++] = word;
	}
	if (l->count == 0)
		return 0;
	if (!reason || reason[strspn(reason, " \t\r")] == '\0')
		return refuse(l, "needs a reason: append # why", NULL);
	return 1;
}

static int set_attributes(scmp_filter_ctx ctx)
{
	static const struct {
		enum scmp_filter_attr attr;
		uint32_t value;
	} wanted[] = {
		{SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS},
		{SCMP_FLTATR_CTL_OPTIMIZE, 2}, /* binary tree */
	};

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		int r = seccomp_attr_set(ctx, wanted[i].attr, wanted[i].value);

		if (r < 0)
			return r;
	}
	return 0;
}

static int handle_line(scmp_filter_ctx *ctx, struct line *l)
{
	struct rule rule;
	int r = parse_rule(l, &rule);

	if (r < 0)
		return r;
	if (!rule.is_default && !*ctx)
		return refuse(l, "the first rule must be the default, not", l->words[0]);
	if (!rule.is_default)
		return add_rule(*ctx, l, &rule);
	if (*ctx)
		return refuse(l, "a second default", NULL);
	*ctx = seccomp_init(rule.action);
	return *ctx ? set_attributes(*ctx) : -ENOMEM;
}

static int parse_policy(scmp_filter_ctx *ctx, struct line *l, const char *text, size_t size)
{
	const char *end = text + size;
	int r;

	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((eol ? eol : end) - text);

		l->number++;
		r = read_line(l, text, length);
		if (r > 0)
			r = handle_line(ctx, l);
		if (r < 0)
			return r;
		text += length + 1;
	}
	return *ctx ? 0 : refuse(l, "the policy has no default", NULL);
}

/* libseccomp exports only to a descriptor, so a memfd takes the program. */
static int export_bpf(scmp_filter_ctx ctx, struct filter *out)
{
	SCOPED_FD fd = memfd_create("filter", MFD_CLOEXEC);
	SCOPED_MEM struct sock_filter *insns = NULL;
	off_t size;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return r;
	size = lseek(fd, 0, SEEK_END);
	if (size < 0)
		return -errno;
	if (size == 0 || (size_t)size > BPF_MAXINSNS * sizeof(*insns))
		return -E2BIG;
	insns = malloc((size_t)size);
	if (!insns)
		return -ENOMEM;
	if (pread(fd, insns, (size_t)size, 0) != (ssize_t)size)
		return -EIO;
	*out = (struct filter){.count = (unsigned short)((size_t)size / sizeof(*insns)),
			       .insns = keep_mem(insns)};
	return 0;
}

int filter_compile(const char *text, size_t size, struct filter *out, char *err, size_t err_size)
{
	scmp_filter_ctx ctx = NULL;
	struct line l = {.err = err, .err_size = err_size};
	int r;

	if (err_size)
		*err = '\0';
	r = parse_policy(&ctx, &l, text, size);
	if (r == 0)
		r = export_bpf(ctx, out);
	if (ctx)
		seccomp_release(ctx);
	if (r < 0 && err_size && !*err)
		snprintf(err, err_size, "line %u: %s", l.number, strerror(-r));
	return r;
}

void filter_fini(struct filter *f)
{
	free(f->insns);
	*f = (struct filter){0};
}

int filter_load(const struct filter *f)
{
	struct sock_fprog program = {.len = f->count, .filter = f->insns};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

#ifdef EBB_COVERAGE
void cover_filtered(void); /* tests/cov/cover.c */
#endif

int filter_apply(const char *text, size_t size, char *err, size_t err_size)
{
	struct filter f = {0};
	int r = filter_compile(text, size, &f, err, err_size);

	if (r < 0)
		return r;
	r = filter_say_forbidden();
	if (r == 0)
		r = filter_load(&f);
#ifdef EBB_COVERAGE
	if (r == 0)
		cover_filtered();
#endif
	if (r < 0)
		snprintf(err, err_size, "the kernel refused the filter: %s", strerror(-r));
	filter_fini(&f);
	return r;
}
