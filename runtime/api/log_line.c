// SPDX-License-Identifier: Apache-2.0
/* One line of a log: the request it belongs to, and the form in which it goes out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/logs.h"
#include "runtime/base/json.h"
#include "runtime/base/mem.h"

#define TAG_BYTE 0x1e

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool are_digits(const char *text)
{
	for (size_t i = 0; i < LOG_REQUEST_CHARS; i++)
		if (!is_hex(text[i]))
			return false;
	return true;
}

bool log_is_request(const char *text)
{
	return strlen(text) == LOG_REQUEST_CHARS && are_digits(text);
}

const char *log_text_request(const char *text, size_t size)
{
	if (size < LOG_TAG_CHARS || text[0] != TAG_BYTE || text[LOG_TAG_CHARS - 1] != ' ')
		return NULL;
	return are_digits(text + 1) ? text + 1 : NULL;
}

/* As log_text_request, for a line "TIME TEXT". */
static const char *log_line_request(const char *line, size_t size)
{
	if (size <= LOG_TIME_CHARS)
		return NULL;
	return log_text_request(line + LOG_TIME_CHARS + 1, size - LOG_TIME_CHARS - 1);
}

bool log_line_wanted(const char *line, size_t size, const char *request)
{
	const char *of = request ? log_line_request(line, size) : NULL;

	return !request || (of && memcmp(of, request, LOG_REQUEST_CHARS) == 0);
}

bool log_is_time(const char *text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
	size_t n = 0;

	_Static_assert(sizeof(shape) == LOG_TIME_CHARS + 1, "a time");
	for (; shape[n]; n++)
		if (shape[n] == 'd' ? text[n] < '0' || text[n] > '9' : text[n] != shape[n])
			return false;
	return text[n] == '\0';
}

/* Times are of one width, so their order is that of the bytes. */
bool log_line_is_since(const char *line, size_t size, const char *since)
{
	return !since || (size >= LOG_TIME_CHARS && memcmp(line, since, LOG_TIME_CHARS) >= 0);
}

struct parts {
	const char *text, *request; /* request: LOG_REQUEST_CHARS digits, or NULL */
	size_t text_size;
	bool goes_on; /* only a part: the next line of the instance is more of it */
	char when[LOG_TIME_CHARS + 1];
};

static struct parts take_apart(const char *line, size_t size)
{
	size_t text_at = size > LOG_TIME_CHARS ? LOG_TIME_CHARS + 1 : size;
	struct parts p = {.request = log_line_request(line, size)};

	if (p.request)
		text_at += LOG_TAG_CHARS;
	p.goes_on = size > LOG_TIME_CHARS && line[LOG_TIME_CHARS] == LOG_GOES_ON;
	p.text = line + text_at;
	p.text_size = size - text_at;
	snprintf(p.when, sizeof(p.when), "%.*s",
		 (int)(size > LOG_TIME_CHARS ? LOG_TIME_CHARS : size), line);
	return p;
}

static int format_text(struct buffer *out, const char *instance, const struct parts *p)
{
	int r = buffer_printf(out, "%s %s ", p->when, instance);

	if (r == 0 && p->request)
		r = buffer_printf(out, "%.*s ", LOG_REQUEST_CHARS, p->request);
	if (r == 0)
		r = buffer_add(out, p->text, p->text_size);
	return r == 0 ? buffer_printf(out, "%s\n", p->goes_on ? " [...]" : "") : r;
}

int log_line_format(struct buffer *out, const char *instance, const char *line, size_t size,
		    bool json)
{
	const struct parts p = take_apart(line, size);
	char request[LOG_REQUEST_CHARS + 1];
	SCOPED_MEM char *text = NULL;
	struct json_out o;
	int r;

	if (!json)
		return format_text(out, instance, &p);
	text = strndup(p.text, p.text_size);
	if (!text)
		return -ENOMEM;
	json_out_init(&o);
	json_out_object(&o, NULL);
	json_out_string(&o, "time", p.when);
	json_out_string(&o, "instance", instance);
	if (p.request) {
		snprintf(request, sizeof(request), "%.*s", LOG_REQUEST_CHARS, p.request);
		json_out_string(&o, "request", request);
	}
	json_out_string(&o, "line", text);
	if (p.goes_on)
		json_out_bool(&o, "partial", true);
	json_out_end_object(&o);
	r = o.failed ? -ENOMEM : buffer_add(out, o.text, o.length);
	json_out_fini(&o);
	return r == 0 ? buffer_add(out, "\n", 1) : r;
}
