// SPDX-License-Identifier: Apache-2.0
/* Reading JSON: yajl's callbacks build the tree. */
#include "runtime/base/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "runtime/base/json_loans.h"
#include "runtime/base/json_value.h"
#include "runtime/base/mem.h"
#include "runtime/base/sort.h"
#include "runtime/base/utf8.h"

/* A value takes about ten times the memory of its text, so both are bounded. */
#define BYTES_MAX  (8u << 20)
#define VALUES_MAX (1u << 18)

struct reader {
	struct json *root, *open; /* open: the innermost array or object not yet closed */
	char *key;                /* read, while its value is still to come; owned */
	unsigned int depth, max_depth, values;
	int err; /* -errno of a callback, or 0 */
	char *why;
	size_t why_size;
};

static int refuse(struct reader *r, int err, const char *why, const char *about)
{
	r->err = err;
	snprintf(r->why, r->why_size, about ? "%s: '%.60s'" : "%s", why, about);
	return 0; /* tells yajl to stop */
}

void json_free(struct json *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->count; i++) {
		json_free(v->items[i]);
		if (v->keys)
			free(v->keys[i]);
	}
	free(v->items);
	free(v->keys);
	free(v->text);
	free(v);
}

static int grow(struct json *into)
{
	size_t capacity = into->capacity ? into->capacity * 2 : 4;
	void *more = reallocarray(into->items, capacity, sizeof(*into->items));

	if (!more)
		return -ENOMEM;
	into->items = more;
	if (into->kind == JSON_OBJECT) {
		more = reallocarray(into->keys, capacity, sizeof(*into->keys));
		if (!more)
			return -ENOMEM;
		into->keys = more;
	}
	into->capacity = capacity;
	return 0;
}

/* Adds v, which is owned from here on, to the open value. 1 to go on, 0 to stop. */
static int add(struct reader *r, struct json *v)
{
	struct json *into = r->open;

	if (!v || (into && into->count == into->capacity && grow(into) < 0)) {
		json_free(v);
		return refuse(r, -ENOMEM, "out of memory", NULL);
	}
	if (++r->values > VALUES_MAX) {
		json_free(v);
		return refuse(r, -E2BIG, "too many values", NULL);
	}
	if (!into) {
		r->root = v;
		return 1;
	}
	v->parent = into;
	if (into->kind == JSON_OBJECT)
		into->keys[into->count] = keep_mem(r->key);
	into->items[into->count++] = v;
	return 1;
}

static struct json *value_new(enum json_kind kind)
{
	struct json *v = calloc(1, sizeof(*v));

	if (v)
		v->kind = kind;
	return v;
}

static struct json *text_value_new(enum json_kind kind, const char *text, size_t size)
{
	struct json *v = value_new(kind);

	if (!v)
		return NULL;
	v->text = strndup(text, size);
	if (v->text)
		return v;
	free(v);
	return NULL;
}

static int on_null(void *ctx)
{
	return add(ctx, value_new(JSON_NULL));
}

static int on_boolean(void *ctx, int value)
{
	struct json *v = value_new(JSON_BOOL);

	if (v)
		v->boolean = value;
	return add(ctx, v);
}

static int on_number(void *ctx, const char *text, size_t size)
{
	struct json *v = text_value_new(JSON_REAL, text, size);
	char *end;

	if (!v || strpbrk(v->text, ".eE"))
		return add(ctx, v);
	errno = 0;
	v->integer = strtoll(v->text, &end, 10);
	if (errno || *end) {
		refuse(ctx, -EINVAL, "this whole number does not fit in 64 bits", v->text);
		json_free(v);
		return 0;
	}
	v->kind = JSON_INT;
	free(v->text);
	v->text = NULL;
	return add(ctx, v);
}

static int on_string(void *ctx, const unsigned char *text, size_t size)
{
	if (!utf8_is_text((const char *)text, size))
		return refuse(ctx, -EINVAL, "a string holds a NUL or is not UTF-8", NULL);
	return add(ctx, text_value_new(JSON_STRING, (const char *)text, size));
}

static int on_key(void *ctx, const unsigned char *text, size_t size)
{
	struct reader *r = ctx;

	if (!utf8_is_text((const char *)text, size))
		return refuse(r, -EINVAL, "a key holds a NUL or is not UTF-8", NULL);
	r->key = strndup((const char *)text, size);
	return r->key ? 1 : refuse(r, -ENOMEM, "out of memory", NULL);
}

static int open_container(struct reader *r, enum json_kind kind)
{
	struct json *v;

	if (++r->depth > r->max_depth)
		return refuse(r, -E2BIG, "nested too deeply", NULL);
	v = value_new(kind);
	if (!add(r, v))
		return 0;
	r->open = v;
	return 1;
}

static int on_start_map(void *ctx)
{
	return open_container(ctx, JSON_OBJECT);
}

static int on_start_array(void *ctx)
{
	return open_container(ctx, JSON_ARRAY);
}

static int on_end_array(void *ctx)
{
	struct reader *r = ctx;

	r->open = r->open->parent;
	r->depth--;
	return 1;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Finds keys that occur twice, by sorting them at the end of the object. Comparing each with each
 * would be quadratic in the input of a stranger. */
static int on_end_map(void *ctx)
{
	struct reader *r = ctx;
	struct json *object = r->open;
	SCOPED_MEM char **sorted = calloc(object->count + 1, sizeof(*sorted));

	if (!sorted)
		return refuse(r, -ENOMEM, "out of memory", NULL);
	for (size_t i = 0; i < object->count; i++)
		sorted[i] = object->keys[i];
	sort_items(sorted, object->count, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < object->count; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			return refuse(r, -EINVAL, "this key occurs twice in one object", sorted[i]);
	return on_end_array(ctx);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_start_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end_map,
	.yajl_start_array = on_start_array,
	.yajl_end_array = on_end_array,
};

/* Keeps the sentence of yajl without its newlines, unless a callback gave a cause. */
static void name_cause(yajl_handle h, struct reader *r)
{
	unsigned char *said;

	if (r->err)
		return;
	r->err = -EINVAL;
	said = yajl_get_error(h, 0, NULL, 0);
	snprintf(r->why, r->why_size, "%.*s", said ? (int)strcspn((const char *)said, "\n") : 12,
		 said ? (const char *)said : "not JSON");
	yajl_free_error(h, said);
}

static unsigned int line_at(const char *text, size_t offset)
{
	unsigned int line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

static void parse(struct reader *r, struct loans *loans, const char *text, size_t size,
		  unsigned int *line)
{
	yajl_alloc_funcs memory = loans_functions(loans);
	yajl_handle h = yajl_alloc(&callbacks, &memory, r);
	yajl_status status = yajl_parse(h, (const unsigned char *)text, size);
	size_t offset = yajl_get_bytes_consumed(h);

	if (status == yajl_status_ok) {
		offset = size;
		status = yajl_complete_parse(h);
	}
	if (status != yajl_status_ok)
		name_cause(h, r);
	*line = line_at(text, offset < size ? offset : size);
}

static void run(struct reader *r, const char *text, size_t size, unsigned int *line)
{
	struct loans loans = {0};

	if (setjmp(loans.none) == 0)
		parse(r, &loans, text, size, line);
	else
		refuse(r, -ENOMEM, "out of memory", NULL);
	loans_end(&loans);
}

int json_parse(const char *text, size_t size, unsigned int max_depth, struct json **out, char *err,
	       size_t err_size)
{
	char why[160] = "";
	struct reader r = {.max_depth = max_depth, .why = why, .why_size = sizeof(why)};
	unsigned int line = 1;

	if (size > BYTES_MAX)
		refuse(&r, -E2BIG, "longer than 8 MiB", NULL);
	else
		run(&r, text, size, &line);
	if (r.err) {
		free(r.key);
		json_free(r.root);
		snprintf(err, err_size, "line %u: %s", line, why);
		return r.err;
	}
	*out = r.root;
	return 0;
}
