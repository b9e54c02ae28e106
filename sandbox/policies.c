// SPDX-License-Identifier: Apache-2.0
/* The filters of a function, from the host's policy text or ebb's own: plain, and with a ring; and
 * the one of ebb on top of either (ebb.seccomp: "strict"). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "sandbox/inside.h"

#define POLICY_BYTES_MAX 65536
#define RING_CALL        "io_uring_enter"

FILTER_EMBED(sandbox_default_policy, "sandbox/policy/default.policy");
FILTER_EMBED(sandbox_ring_policy, "sandbox/policy/ring.policy");
FILTER_EMBED(sandbox_strict_policy, "sandbox/policy/strict.policy");

struct text {
	const char *name; /* for errors */
	char bytes[POLICY_BYTES_MAX + 4096];
	size_t size;
};

static int read_base(struct text *text, const char *path, char *err, size_t err_size)
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
	if (size < 0) {
		snprintf(err, err_size, "cannot read seccomp policy %s: %s", path,
			 strerror((int)-size));
		return (int)size;
	}
	text->size = (size_t)size;
	return 0;
}

/* Whether a rule of this line, which is not NUL-terminated, names the call. */
static bool names_ring_call(const char *line, size_t size)
{
	const char *reason = memchr(line, '#', size);
	const char *at =
		memmem(line, reason ? (size_t)(reason - line) : size, RING_CALL, strlen(RING_CALL));

	return at && at > line && (at[-1] == ' ' || at[-1] == '\t');
}

/* Lines are emptied, not removed: the numbers in errors stay those of the file. */
static void add_ring_rules(struct text *text)
{
	const size_t more = (size_t)(sandbox_ring_policy_end - sandbox_ring_policy_start);
	char *at = text->bytes, *end = text->bytes + text->size;

	while (at < end) {
		char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((eol ? eol : end) - at);

		if (names_ring_call(at, length))
			memset(at, ' ', length);
		at += length + 1;
	}
	must(text->size + 1 + more <= sizeof(text->bytes));
	text->bytes[text->size++] = '\n';
	memcpy(text->bytes + text->size, sandbox_ring_policy_start, more);
	text->size += more;
}

static int compile(const struct text *text, struct filter *out, char *err, size_t err_size)
{
	char why[256];
	int r = filter_compile(text->bytes, text->size, out, why, sizeof(why));

	if (r < 0)
		snprintf(err, err_size, "seccomp policy %s, %s", text->name, why);
	return r;
}

static int compile_strict(struct filter *out, char *err, size_t err_size)
{
	const size_t size = (size_t)(sandbox_strict_policy_end - sandbox_strict_policy_start);
	char why[256];
	int r = filter_compile(sandbox_strict_policy_start, size, out, why, sizeof(why));

	if (r < 0)
		snprintf(err, err_size, "strict seccomp policy, %s", why);
	return r;
}

int policies_compile(const char *path, const struct policies *out, char *err, size_t err_size)
{
	SCOPED_MEM struct text *text = malloc(sizeof(*text));
	int r = text ? read_base(text, path, err, err_size) : -ENOMEM;

	if (r == 0)
		r = compile(text, out->plain, err, err_size);
	if (r < 0)
		return r;
	add_ring_rules(text);
	r = compile(text, out->ring, err, err_size);
	if (r == 0)
		r = compile_strict(out->strict, err, err_size);
	if (r < 0) {
		filter_fini(out->plain);
		filter_fini(out->ring);
	}
	return r;
}
