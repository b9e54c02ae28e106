// SPDX-License-Identifier: Apache-2.0
#include "runtime/flow/workflow_words.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define TIME_MAX_MS (UINT64_C(1) << 48) /* that a ULID has */
#define SPEC_MAX    1000

/* ---- names ---- */

const char *workflow_type_name(uint32_t type)
{
#define X(name) #name,
	static const char *const names[] = {WORKFLOW_TYPES(X)};
#undef X

	return type < ARRAY_LEN(names) ? names[type] : "unknown";
}

const char *workflow_state_name(uint32_t state)
{
	static const char *const names[] = {
		[WORK_PENDING] = "pending",     [WORK_RUNNING] = "running",
		[WORK_COMPLETED] = "completed", [WORK_FAILED] = "failed",
		[WORK_CANCELLED] = "cancelled",
	};

	return state < ARRAY_LEN(names) ? names[state] : "unknown";
}

static bool all_of(const char *text, const char *more)
{
	for (; *text; text++) {
		bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			     (*text >= '0' && *text <= '9');

		if (!plain && !strchr(more, *text))
			return false;
	}
	return true;
}

bool workflow_id_valid(const char *id)
{
	return *id && all_of(id, "_-");
}

/* Copies a slice that has no NUL. 0 or -EINVAL: it is too long. */
static int copy(struct http_slice from, char *to, size_t size)
{
	if (from.size >= size || memchr(from.at, '\0', from.size))
		return -EINVAL;
	if (from.size)
		memcpy(to, from.at, from.size);
	to[from.size] = '\0';
	return 0;
}

/* ---- targets ---- */

static const struct {
	const char *words[4]; /* r: a run, i: an id, s: a stream */
} paths[] = {
	[WF_RUNS] = {{"runs"}},
	[WF_RUN] = {{"runs", "r"}},
	[WF_EVENTS] = {{"runs", "r", "events"}},
	[WF_EVENT] = {{"runs", "r", "events", "i"}},
	[WF_STEPS] = {{"runs", "r", "steps"}},
	[WF_STEP] = {{"runs", "r", "steps", "i"}},
	[WF_HOOKS_OF_RUN] = {{"runs", "r", "hooks"}},
	[WF_WAITS] = {{"runs", "r", "waits"}},
	[WF_EVENTS_ABOUT] = {{"events"}},
	[WF_ANY_STEP] = {{"steps", "i"}},
	[WF_HOOKS] = {{"hooks"}},
	[WF_HOOK] = {{"hooks", "i"}},
	[WF_TOKEN] = {{"tokens"}},
	[WF_STREAMS] = {{"streams"}},
	[WF_STREAM] = {{"streams", "s"}},
};

bool workflow_is_path(struct http_slice path)
{
	size_t n = sizeof(WORKFLOW_BASE) - 1;

	return path.size > n && memcmp(path.at, WORKFLOW_BASE "/", n + 1) == 0;
}

/* Cuts a path into up to 4 words; 0: there are more, or none. */
static size_t cut(struct http_slice path, struct http_slice words[4])
{
	size_t count = 0;

	path.at += sizeof(WORKFLOW_BASE);
	path.size -= sizeof(WORKFLOW_BASE);
	while (count < 4) {
		const char *slash = memchr(path.at, '/', path.size);
		size_t n = slash ? (size_t)(slash - path.at) : path.size;

		words[count++] = (struct http_slice){path.at, n};
		if (!slash)
			return count;
		path.at += n + 1;
		path.size -= n + 1;
	}
	return 0;
}

static bool fits(const char *const pattern[4], const struct http_slice *words, size_t count)
{
	for (size_t n = 0; n < 4; n++) {
		if (!pattern[n] || n >= count)
			return !pattern[n] && n >= count;
		if (pattern[n][1] != '\0' && !http_slice_is(words[n], pattern[n]))
			return false;
	}
	return true;
}

static int take_words(struct workflow_target *out, const struct http_slice *words, const char **why)
{
	for (size_t n = 0; n < 4 && paths[out->what].words[n]; n++) {
		const char *kind = paths[out->what].words[n];
		int r = 0;

		if (strcmp(kind, "r") == 0) {
			*why = "the id of a run is 1 to 64 of letters, digits, _ and -";
			r = copy(words[n], out->run, sizeof(out->run));
			r = r < 0 || !workflow_id_valid(out->run) ? -EINVAL : 0;
		} else if (strcmp(kind, "i") == 0) {
			*why = "an id is 1 to 128 of letters, digits, _ . and -";
			r = copy(words[n], out->id, PART_ID_SIZE);
			r = r < 0 || !*out->id || !all_of(out->id, "_.-") ? -EINVAL : 0;
		} else if (strcmp(kind, "s") == 0) {
			*why = "the name of a stream is 1 to 255 of letters, digits and _ . ~ % = "
			       "-";
			r = copy(words[n], out->id, sizeof(out->id));
			r = r < 0 || !*out->id || !all_of(out->id, "_.~%=-") ? -EINVAL : 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int workflow_target_parse(struct http_slice path, struct workflow_target *out, const char **why)
{
	struct http_slice words[4];
	size_t count;

	if (!workflow_is_path(path))
		return -ENOENT;
	count = cut(path, words);
	for (size_t n = 0; count && n < WF_COUNT; n++) {
		if (!fits(paths[n].words, words, count))
			continue;
		*out = (struct workflow_target){.what = (enum workflow_what)n};
		return take_words(out, words, why);
	}
	return -ENOENT;
}

/* ---- queries ---- */

static int number_of(struct http_slice value, uint64_t max, uint64_t *out)
{
	char text[24];

	return copy(value, text, sizeof(text)) < 0 || text_parse_u64(text, 0, max, out) < 0
		       ? -EINVAL
		       : 0;
}

static int read_data(struct workflow_query *q, struct http_slice value)
{
	q->data = http_slice_is(value, "all");
	return q->data || http_slice_is(value, "none") ? 0 : -EINVAL;
}

static int read_order(struct workflow_query *q, struct http_slice value)
{
	q->down = http_slice_is(value, "desc");
	q->up = http_slice_is(value, "asc");
	return q->down || q->up ? 0 : -EINVAL;
}

static int read_status(struct workflow_query *q, struct http_slice value)
{
	for (q->state = 0; q->state < WORK_STATE_COUNT; q->state++)
		if (http_slice_is(value, workflow_state_name(q->state)))
			return 0;
	return -EINVAL;
}

static int read_limit(struct workflow_query *q, struct http_slice value)
{
	return number_of(value, WORKFLOW_LIMIT_MAX, &q->limit);
}

static int read_wait(struct workflow_query *q, struct http_slice value)
{
	return number_of(value, WORKFLOW_WAIT_MAX_S, &q->wait_s);
}

static int read_from(struct workflow_query *q, struct http_slice value)
{
	q->from_end = value.size > 0 && *value.at == '-';
	if (q->from_end) {
		value.at++;
		value.size--;
	}
	return number_of(value, INT32_MAX, &q->from) < 0 || (q->from_end && q->from == 0) ? -EINVAL
											  : 0;
}

static int read_cursor(struct workflow_query *q, struct http_slice value)
{
	return copy(value, q->cursor, sizeof(q->cursor)) < 0 || !all_of(q->cursor, "_.-") ? -EINVAL
											  : 0;
}

static int read_run(struct workflow_query *q, struct http_slice value)
{
	return copy(value, q->run, sizeof(q->run)) < 0 || !workflow_id_valid(q->run) ? -EINVAL : 0;
}

static const struct {
	const char *name;
	int (*read)(struct workflow_query *q, struct http_slice value);
	const char *why;
} names[] = {
	{"data", read_data, "data is all or none"},
	{"order", read_order, "order is asc or desc"},
	{"status", read_status, "status is pending, running, completed, failed or cancelled"},
	{"limit", read_limit, "limit is a number up to 1000"},
	{"wait", read_wait, "wait is a number of seconds up to 30"},
	{"from", read_from, "from is a number of a chunk, or one below 0"},
	{"cursor", read_cursor, "cursor is that of an answer"},
	{"run", read_run, "run is the id of a run"},
};

static int read_pair(struct workflow_query *q, struct http_slice pair, const char **why)
{
	const char *equals = memchr(pair.at, '=', pair.size);
	size_t n = equals ? (size_t)(equals - pair.at) : pair.size;
	struct http_slice name = {pair.at, n}, value = {pair.at + n, 0};

	if (equals)
		value = (struct http_slice){equals + 1, pair.size - n - 1};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!http_slice_is(name, names[i].name))
			continue;
		*why = names[i].why;
		return names[i].read(q, value);
	}
	return 0;
}

int workflow_query_parse(struct http_slice query, struct workflow_query *out, const char **why)
{
	*out = (struct workflow_query){.limit = UINT64_MAX, .state = WORK_STATE_COUNT};
	while (query.size > 0) {
		const char *end = memchr(query.at, '&', query.size);
		size_t n = end ? (size_t)(end - query.at) : query.size;

		if (read_pair(out, (struct http_slice){query.at, n}, why) < 0)
			return -EINVAL;
		query.at += end ? n + 1 : n;
		query.size -= end ? n + 1 : n;
	}
	return 0;
}

/* ---- events ---- */

int workflow_field(const struct http_head *head, const char *name, char *out, size_t size)
{
	const struct http_header *h = http_find(head, name);

	*out = '\0';
	if (!h)
		return 0;
	if (copy(h->value, out, size) < 0)
		return -EINVAL;
	for (const char *c = out; *c; c++)
		if (*c <= ' ' || *c > '~')
			return -EINVAL;
	return 0;
}

static int field_number(const struct http_head *head, const char *name, uint64_t max, uint64_t *out)
{
	const struct http_header *h = http_find(head, name);

	return h ? number_of(h->value, max, out) : 0;
}

static int read_words(const struct http_head *head, struct workflow_offer *o, const char **why)
{
	const struct {
		const char *field;
		char *to;
		size_t size;
		const char *why;
	} words[] = {
		{"x-ebb-name", o->name, sizeof(o->name),
		 "x-ebb-name is up to 512 bytes of printable ASCII without spaces"},
		{"x-ebb-token", o->token, sizeof(o->token),
		 "x-ebb-token is up to 512 bytes of printable ASCII without spaces"},
		{"x-ebb-deployment", o->deployment, sizeof(o->deployment),
		 "x-ebb-deployment is up to 128 bytes of printable ASCII without spaces"},
		{"x-ebb-correlation", o->correlation, sizeof(o->correlation),
		 "x-ebb-correlation is up to 128 of letters, digits, _ . and -"},
		{"x-ebb-once", o->once, sizeof(o->once),
		 "x-ebb-once is up to 64 of letters, digits, _ and -"},
	};

	for (size_t n = 0; n < ARRAY_LEN(words); n++) {
		*why = words[n].why;
		if (workflow_field(head, words[n].field, words[n].to, words[n].size) < 0)
			return -EINVAL;
	}
	if (!all_of(o->once, "_-"))
		return -EINVAL;
	*why = words[3].why;
	return all_of(o->correlation, "_.-") ? 0 : -EINVAL;
}

static int read_numbers(const struct http_head *head, struct workflow_offer *o, uint64_t *meta_size,
			const char **why)
{
	const struct {
		const char *field;
		uint64_t max, *to;
		const char *why;
	} numbers[] = {
		{"x-ebb-spec", SPEC_MAX, &o->spec, "x-ebb-spec is a number up to 1000"},
		{"x-ebb-occurred-at", TIME_MAX_MS, &o->occurred_ms,
		 "x-ebb-occurred-at is a time in ms"},
		{"x-ebb-retry-at", TIME_MAX_MS, &o->due_ms, "x-ebb-retry-at is a time in ms"},
		{"x-ebb-resume-at", TIME_MAX_MS, &o->due_ms, "x-ebb-resume-at is a time in ms"},
		{"x-ebb-seen-at", TIME_MAX_MS, &o->seen_ms, "x-ebb-seen-at is a time in ms"},
		{"x-ebb-meta-bytes", WORKFLOW_META_MAX, meta_size,
		 "x-ebb-meta-bytes is a number up to 65536"},
	};

	for (size_t n = 0; n < ARRAY_LEN(numbers); n++) {
		*why = numbers[n].why;
		if (field_number(head, numbers[n].field, numbers[n].max, numbers[n].to) < 0)
			return -EINVAL;
	}
	return 0;
}

static int read_type(const struct http_head *head, struct workflow_offer *o)
{
	const struct http_header *h = http_find(head, "x-ebb-event");

	for (o->type = 0; h && o->type < WORKFLOW_TYPE_COUNT; o->type++)
		if (http_slice_is(h->value, workflow_type_name(o->type)))
			return o->type == EVENT_hook_conflict ? -EINVAL : 0;
	return -EINVAL;
}

/* Checks the fields that an event of this type cannot be without. */
static int check(const struct workflow_offer *o, const char **why)
{
	static const struct {
		uint32_t first, last;
		size_t field;
		const char *why;
	} needs[] = {
		{EVENT_step_created, EVENT_wait_completed,
		 offsetof(struct workflow_offer, correlation),
		 "an event of a step, hook or wait has x-ebb-correlation"},
		{EVENT_run_created, EVENT_run_created, offsetof(struct workflow_offer, name),
		 "run_created has x-ebb-name, the name of the workflow"},
		{EVENT_run_created, EVENT_run_created, offsetof(struct workflow_offer, deployment),
		 "run_created has x-ebb-deployment"},
		{EVENT_step_created, EVENT_step_created, offsetof(struct workflow_offer, name),
		 "step_created has x-ebb-name, the name of the step"},
		{EVENT_hook_created, EVENT_hook_created, offsetof(struct workflow_offer, token),
		 "hook_created has x-ebb-token"},
	};

	for (size_t n = 0; n < ARRAY_LEN(needs); n++) {
		*why = needs[n].why;
		if (o->type >= needs[n].first && o->type <= needs[n].last &&
		    !*((const char *)o + needs[n].field))
			return -EINVAL;
	}
	return 0;
}

int workflow_offer_parse(const struct http_head *head, struct http_slice body,
			 struct workflow_offer *out, const char **why)
{
	uint64_t meta_size = 0;

	*out = (struct workflow_offer){.seen_ms = UINT64_MAX};
	*why = "x-ebb-event is run_created, run_started, ...: one of the 15 that can be made";
	if (read_type(head, out) < 0 || read_words(head, out, why) < 0 ||
	    read_numbers(head, out, &meta_size, why) < 0 || check(out, why) < 0)
		return -EINVAL;
	*why = "x-ebb-meta-bytes is more than the body has";
	if (meta_size > body.size)
		return -EINVAL;
	out->meta = (struct http_slice){body.at, (size_t)meta_size};
	out->data = (struct http_slice){body.at ? body.at + meta_size : NULL,
					body.size - (size_t)meta_size};
	return 0;
}

/* ---- ids of events ---- */

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford's base 32 */

static void put(char *to, size_t size, uint64_t value)
{
	for (size_t n = size; n-- > 0; value >>= 5)
		to[n] = digits[value & 31];
}

void workflow_event_id(char out[EVENT_ID_SIZE], uint64_t created_us, uint64_t number)
{
	memcpy(out, "evnt_", 5);
	put(out + 5, 10, created_us / US_PER_MS);
	put(out + 15, 16, number);
	out[31] = '\0';
}

int workflow_event_number(const char *id, uint64_t *number)
{
	uint64_t value = 0;

	if (strlen(id) != EVENT_ID_SIZE - 1 || strncmp(id, "evnt_", 5) != 0)
		return -EINVAL;
	for (const char *c = id + 15; *c; c++) {
		const char *digit = strchr(digits, *c);

		if (!digit || value > INT64_MAX >> 5)
			return -EINVAL;
		value = value << 5 | (uint64_t)(digit - digits);
	}
	*number = value;
	return 0;
}
