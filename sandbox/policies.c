// SPDX-License-Identifier: Apache-2.0
/* Compiles three filters from the host's policy text or ebb's own: a function's plain one, a
 * function's with a ring, and the zygote's. ebb's strict filter, from a text of its own, is loaded
 * on top of the first two (ebb.seccomp: "strict"). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define POLICY_BYTES_MAX 65536
#define NAME_SIZE        64

FILTER_EMBED(sandbox_default_policy, "sandbox/policy/default.policy");
FILTER_EMBED(sandbox_ring_policy, "sandbox/policy/ring.policy");
FILTER_EMBED(sandbox_strict_policy, "sandbox/policy/strict.policy");
FILTER_EMBED(sandbox_zygote_policy, "sandbox/policy/zygote.policy");

struct text {
	const char *name; /* for errors */
	char bytes[POLICY_BYTES_MAX + 4096];
	size_t size;
};

static int read_base(struct text *text, const char *path, struct fault *f)
{
	ssize_t size;

	text->name = "default seccomp policy";
	if (!path || !*path) {
		text->size = (size_t)(sandbox_default_policy_end - sandbox_default_policy_start);
		must(text->size <= POLICY_BYTES_MAX);
		memcpy(text->bytes, sandbox_default_policy_start, text->size);
		return 0;
	}
	text->name = path;
	size = fd_read_file_at(AT_FDCWD, path, text->bytes, POLICY_BYTES_MAX);
	if (size < 0)
		return fault_errno(f, (int)size, "cannot read seccomp policy %s", path);
	text->size = (size_t)size;
	return 0;
}

/* Copies the next word of a line that is not NUL-terminated. The word is empty at the end of the
 * line, and where the comment with the reason begins. */
static size_t next_word(const char **at, const char *end, char out[NAME_SIZE])
{
	size_t size = 0;

	while (*at < end && (**at == ' ' || **at == '\t'))
		++*at;
	while (*at < end && !strchr(" \t\r#", **at)) {
		if (size < NAME_SIZE - 1)
			out[size++] = **at;
		++*at;
	}
	out[size] = '\0';
	return size;
}

struct rule_line {
	char action[NAME_SIZE], call[NAME_SIZE];
};

/* Reads the rule of a line. False if the line has no rule for a call. */
static bool read_rule(const char *line, const char *end, struct rule_line *out)
{
	if (next_word(&line, end, out->action) && strcmp(out->action, "optional") == 0)
		(void)next_word(&line, end, out->action);
	return next_word(&line, end, out->call) && strcmp(out->action, "default") != 0;
}

static const char *line_end(const char *at, const char *end)
{
	const char *eol = memchr(at, '\n', (size_t)(end - at));

	return eol ? eol : end;
}

/* Rules that are added to a base, in place of the base's lines about the same calls. */
struct addition {
	const char *start, *end;
	bool keeps_allowed; /* replaces only lines that refuse the same calls */
};

static bool names_call(const struct addition *more, const char *call)
{
	struct rule_line rule;

	for (const char *at = more->start, *eol; at < more->end; at = eol + 1) {
		eol = line_end(at, more->end);
		if (read_rule(at, eol, &rule) && strcmp(rule.call, call) == 0)
			return true;
	}
	return false;
}

/* Adds rules. Replaced lines are emptied and not removed, so that line numbers in errors stay those
 * of the file. */
static void add_rules(struct text *text, const struct addition *more)
{
	const size_t size = (size_t)(more->end - more->start);
	char *const end = text->bytes + text->size;
	struct rule_line rule;

	for (char *at = text->bytes, *eol; at < end; at = eol + 1) {
		eol = text->bytes + (line_end(at, end) - text->bytes);
		if (!read_rule(at, eol, &rule) || !names_call(more, rule.call))
			continue;
		if (!more->keeps_allowed || strcmp(rule.action, "allow") != 0)
			memset(at, ' ', (size_t)(eol - at));
	}
	must(text->size + 1 + size <= sizeof(text->bytes));
	text->bytes[text->size++] = '\n';
	memcpy(text->bytes + text->size, more->start, size);
	text->size += size;
}

static int compile(const struct text *text, struct filter *out, struct fault *f)
{
	char why[256];
	int r = filter_compile(text->bytes, text->size, out, why, sizeof(why));

	return r < 0 ? fault_say(f, r, "seccomp policy %s, %s", text->name, why) : 0;
}

static int compile_strict(struct filter *out, struct fault *f)
{
	const size_t size = (size_t)(sandbox_strict_policy_end - sandbox_strict_policy_start);
	char why[256];
	int r = filter_compile(sandbox_strict_policy_start, size, out, why, sizeof(why));

	return r < 0 ? fault_say(f, r, "strict seccomp policy, %s", why) : 0;
}

/* Compiles the base and the added rules as one filter. */
static int compile_more(const struct text *base, const struct addition *more, struct filter *out,
			struct fault *f)
{
	SCOPED_MEM struct text *text = malloc(sizeof(*text));

	if (!text)
		return -ENOMEM;
	*text = *base;
	add_rules(text, more);
	return compile(text, out, f);
}

int policies_compile(const char *path, const struct policies *out, struct fault *f)
{
	static const struct addition ring = {sandbox_ring_policy_start, sandbox_ring_policy_end,
					     false},
				     zygote = {sandbox_zygote_policy_start,
					       sandbox_zygote_policy_end, true};
	SCOPED_MEM struct text *text = malloc(sizeof(*text));
	int r = text ? read_base(text, path, f) : -ENOMEM;

	if (r == 0)
		r = compile(text, out->plain, f);
	if (r == 0)
		r = compile_more(text, &ring, out->ring, f);
	if (r == 0)
		r = compile_more(text, &zygote, out->zygote, f);
	if (r == 0)
		r = compile_strict(out->strict, f);
	if (r < 0) {
		fault_errno(f, r, "seccomp policies of functions");
		filter_fini(out->plain);
		filter_fini(out->ring);
		filter_fini(out->zygote);
	}
	return r;
}
