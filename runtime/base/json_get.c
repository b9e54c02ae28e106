// SPDX-License-Identifier: Apache-2.0
/* Looking things up in a JSON tree. */
#include "runtime/base/json.h"

#include <errno.h>
#include <string.h>

#include "runtime/base/json_value.h"
#include "runtime/base/mem.h"

enum json_kind json_kind(const struct json *v)
{
	return v ? v->kind : JSON_NULL;
}

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",     [JSON_BOOL] = "boolean",  [JSON_INT] = "integer",
		[JSON_REAL] = "number",   [JSON_STRING] = "string", [JSON_ARRAY] = "array",
		[JSON_OBJECT] = "object",
	};

	return (size_t)kind < ARRAY_LEN(names) ? names[kind] : "?";
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (json_kind(object) != JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < object->count; i++)
		if (strcmp(object->keys[i], key) == 0)
			return object->items[i];
	return NULL;
}

size_t json_count(const struct json *v)
{
	return v ? v->count : 0;
}

const struct json *json_at(const struct json *v, size_t index)
{
	return v && index < v->count ? v->items[index] : NULL;
}

const char *json_key_at(const struct json *object, size_t index)
{
	return json_kind(object) == JSON_OBJECT && index < object->count ? object->keys[index]
									 : NULL;
}

const char *json_string(const struct json *v)
{
	return json_kind(v) == JSON_STRING ? v->text : NULL;
}

int json_int(const struct json *v, int64_t *out)
{
	if (json_kind(v) != JSON_INT)
		return -EINVAL;
	*out = v->integer;
	return 0;
}

bool json_is_true(const struct json *v)
{
	return json_kind(v) == JSON_BOOL && v->boolean;
}
