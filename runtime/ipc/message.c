// SPDX-License-Identifier: Apache-2.0
#include "runtime/ipc/message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

int request_id_parse(const char *text, struct request_id *out)
{
	uint8_t bytes[16];
	struct request_id id = {0, 0};

	if (!text || strlen(text) != REQUEST_ID_CHARS || text_unhex(bytes, sizeof(bytes), text) < 0)
		return -EINVAL;
	for (size_t i = 0; i < 8; i++) {
		id.high = id.high << 8 | bytes[i];
		id.low = id.low << 8 | bytes[8 + i];
	}
	*out = id;
	return 0;
}

void request_id_format(struct request_id id, char out[REQUEST_ID_CHARS + 1])
{
	snprintf(out, REQUEST_ID_CHARS + 1, "%016" PRIx64 "%016" PRIx64, id.high, id.low);
}

/* A hold without an id could never end. */
static int read_hold(const struct json *payload, struct message *m, char *err, size_t err_size)
{
	const struct json *deadline = json_get(payload, "deadline");
	int64_t ms = 0;

	if (!m->has_id) {
		(void)text_format(err, err_size,
				  "hold: payload.context.invocationId is not 32 hex digits");
		return -EINVAL;
	}
	if (json_kind(deadline) != JSON_NULL && (json_int(deadline, &ms) < 0 || ms < 0)) {
		(void)text_format(err, err_size, "hold: payload.deadline is no time in ms");
		return -EINVAL;
	}
	m->deadline_ms = (uint64_t)ms;
	return 0;
}

static int read_log(const struct json *payload, struct message *m, char *err, size_t err_size)
{
	const char *encoding = json_string(json_get(payload, "encoding"));

	m->text = json_string(json_get(payload, "message"));
	m->base64 = encoding && strcmp(encoding, "base64") == 0;
	if (m->text)
		return 0;
	(void)text_format(err, err_size, "log: payload.message is not a string");
	return -EINVAL;
}

/* ebb's `retire` has a member `reason`; `unrecoverable-error` of other runtimes has its reason in
 * one of several members. */
static int read_reason(const struct json *payload, struct message *m, char *err, size_t err_size)
{
	static const char *const keys[] = {"reason", "message", "exception", "error"};

	for (size_t i = 0; i < ARRAY_LEN(keys) && !m->text; i++) {
		const struct json *value = json_get(payload, keys[i]);

		m->text = json_string(value);
		if (!m->text)
			m->text = json_string(json_get(value, "message"));
	}
	if (!m->text)
		m->text = "no reason given";
	return 0;
}

static const struct {
	const char *name;
	int (*read)(const struct json *payload, struct message *m, char *err, size_t err_size);
} types[] = {
	[MESSAGE_SERVER_STARTED] = {"server-started", NULL},
	[MESSAGE_HOLD] = {"hold", read_hold},
	[MESSAGE_END] = {"end", NULL},
	[MESSAGE_LOG] = {"log", read_log},
	[MESSAGE_METRIC] = {"metric", NULL},
	[MESSAGE_UNRECOVERABLE_ERROR] = {"unrecoverable-error", read_reason},
	[MESSAGE_RETIRE] = {"retire", read_reason},
};

static int read_message(struct message *m, char *err, size_t err_size)
{
	const char *type = json_string(json_get(m->document, "type"));
	const struct json *payload = json_get(m->document, "payload");
	const struct json *id = json_get(json_get(payload, "context"), "invocationId");

	if (!type) {
		(void)text_format(err, err_size, "a message is an object with a type");
		return -EINVAL;
	}
	m->has_id = request_id_parse(json_string(id), &m->id) == 0;
	for (size_t i = 1; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].name, type) != 0)
			continue;
		m->type = (enum message_type)i;
		return types[i].read ? types[i].read(payload, m, err, err_size) : 0;
	}
	return 0;
}

int message_parse(const char *bytes, size_t size, struct message *out, char *err, size_t err_size)
{
	struct message m = {.type = MESSAGE_UNKNOWN};
	int r = json_parse(bytes, size, MESSAGE_DEPTH_MAX, &m.document, err, err_size);

	if (r < 0)
		return r;
	r = read_message(&m, err, err_size);
	if (r < 0)
		message_fini(&m);
	else
		*out = m;
	return r;
}

void message_fini(struct message *m)
{
	json_free(m->document);
	m->document = NULL;
}
