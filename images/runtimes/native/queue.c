// SPDX-License-Identifier: Apache-2.0
/* Calls to queues (docs/guide/queues.md): their requests, and what their answers say. The protocol
 * is that of npm @vercel/queue; ebb-flow answers with a Content-Length. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "queue.h"

#define BODY_MAX     (4u << 20)
#define HEAD_MAX     2048
#define FIELDS_MAX   1024
#define EVENT        "com.vercel.queue.v2beta"
#define MESSAGES_MAX EBB_QUEUE_MESSAGES_MAX

/* ---- requests ---- */

struct order {
	const char *method, *topic;
	const char *consumer, *receipt; /* or NULL */
	const void *body;
	size_t size;
	char fields[FIELDS_MAX];
};

static bool is_name(const char *name)
{
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return name && *name && strlen(name) < QUEUE_NAME_SIZE && name[strspn(name, chars)] == '\0';
}

static int add_field(struct order *o, const char *name, const char *value)
{
	size_t used = strlen(o->fields);
	int n;

	if (!value)
		return 0;
	for (const char *at = value; *at; at++)
		if (*at < ' ' || *at > '~')
			return -EINVAL;
	n = snprintf(o->fields + used, sizeof(o->fields) - used, "%s: %s\r\n", name, value);
	return *value && n > 0 && (size_t)n < sizeof(o->fields) - used ? 0 : -EINVAL;
}

static int add_number(struct order *o, const char *name, uint32_t value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%" PRIu32, value);
	return add_field(o, name, text);
}

static int write_out(struct queue_call *c, const struct order *o)
{
	int n;

	c->out = malloc(HEAD_MAX + o->size);
	if (!c->out)
		return -ENOMEM;
	n = snprintf(c->out, HEAD_MAX,
		     "%s /api/v3/topic/%s%s%s%s%s HTTP/1.1\r\nhost: queues\r\nconnection: close\r\n"
		     "content-length: %zu\r\n%s\r\n",
		     o->method, o->topic, o->consumer ? "/consumer/" : "",
		     o->consumer ? o->consumer : "", o->receipt ? "/lease/" : "",
		     o->receipt ? o->receipt : "", o->size, o->fields);
	if (n < 0 || n >= HEAD_MAX)
		return -EINVAL;
	if (o->size)
		memcpy(c->out + n, o->body, o->size);
	c->out_size = (size_t)n + o->size;
	return 0;
}

static void on_end(struct queue_call *c, int err);

static int begin(struct ebb_request *rq, const struct order *o, ebb_queue_fn *fn, void *ctx)
{
	struct queue_call *c;
	int r;

	if (!is_name(o->topic) || (o->consumer && !is_name(o->consumer)) ||
	    (o->receipt && !is_name(o->receipt)))
		return -EINVAL;
	if (o->size > BODY_MAX)
		return -EMSGSIZE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->loop = rq->loop;
	c->rq = rq;
	c->fn = fn;
	c->ctx = ctx;
	c->on_end = on_end;
	(void)snprintf(c->topic, sizeof(c->topic), "%s", o->topic);
	(void)snprintf(c->consumer, sizeof(c->consumer), "%s", o->consumer ? o->consumer : "");
	r = write_out(c, o);
	if (r < 0) {
		queue_call_free(c);
		return r;
	}
	r = queue_call_begin(c);
	if (r == -ENXIO)
		log_line(rq->id, "ebb: EBB_QUEUE_URL is not set, so this service has no queues: "
				 "give it \"experimentalTriggers\", or \"ebb\": {\"queues\": "
				 "\"NAMESPACE\"}");
	return r;
}

int ebb_queue_send(struct ebb_request *rq, const char *topic, const void *body, size_t size,
		   const struct ebb_queue_options *options, ebb_queue_fn *fn, void *ctx)
{
	struct order o = {.method = "POST", .topic = topic, .body = body, .size = size};
	int r = add_field(&o, "content-type",
			  options && options->type ? options->type : "application/octet-stream");

	if (r == 0 && options)
		r = add_field(&o, "vqs-idempotency-key", options->idempotency_key);
	if (r == 0 && options)
		r = add_field(&o, "x-ebb-order-key", options->key);
	if (r == 0 && options && options->delay_s)
		r = add_number(&o, "vqs-delay-seconds", options->delay_s);
	if (r == 0 && options && options->retention_s)
		r = add_number(&o, "vqs-retention-seconds", options->retention_s);
	return r < 0 ? r : begin(rq, &o, fn, ctx);
}

int ebb_queue_receive(struct ebb_request *rq, const char *topic, const char *consumer,
		      unsigned int max, uint32_t visibility_s, ebb_queue_fn *fn, void *ctx)
{
	struct order o = {.method = "POST", .topic = topic, .consumer = consumer};
	int r = consumer ? add_number(&o, "vqs-max-messages", max) : -EINVAL;

	if (r == 0)
		r = add_number(&o, "vqs-visibility-timeout-seconds", visibility_s);
	return r < 0 ? r : begin(rq, &o, fn, ctx);
}

int ebb_queue_acknowledge(struct ebb_request *rq, const struct ebb_message *message,
			  ebb_queue_fn *fn, void *ctx)
{
	struct order o = {.method = "DELETE",
			  .topic = message->topic,
			  .consumer = message->consumer,
			  .receipt = message->receipt};

	return o.consumer && o.receipt ? begin(rq, &o, fn, ctx) : -EINVAL;
}

int ebb_queue_extend(struct ebb_request *rq, const struct ebb_message *message, uint32_t seconds,
		     ebb_queue_fn *fn, void *ctx)
{
	char body[64];
	struct order o = {.method = "PATCH",
			  .topic = message->topic,
			  .consumer = message->consumer,
			  .receipt = message->receipt,
			  .body = body,
			  .fields = "content-type: application/json\r\n"};

	(void)snprintf(body, sizeof(body), "{\"visibilityTimeoutSeconds\":%" PRIu32 "}", seconds);
	o.size = strlen(body);
	return o.consumer && o.receipt ? begin(rq, &o, fn, ctx) : -EINVAL;
}

/* ---- answers ---- */

/* The value of a line of a head, made a text of its own; or NULL. */
static char *take_field(char *head, const char *end, const char *name)
{
	size_t n = strlen(name);
	char *stop;

	for (char *at = head; (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
		if ((size_t)(stop - at) <= n || strncasecmp(at, name, n) != 0 || at[n] != ':')
			continue;
		stop[-1] = '\0'; /* the CR */
		return at + n + 1 + strspn(at + n + 1, " ");
	}
	return NULL;
}

/* The text behind "name":" in JSON that ebb-flow wrote, with its escapes taken away; or "". */
static const char *take_text(char *json, const char *name)
{
	char *from = strstr(json, name), *to, *text;

	if (!from)
		return "";
	from += strlen(name);
	text = to = from;
	for (; *from && *from != '"'; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return text;
}

static int read_part(const struct queue_call *c, char *head, char *end, struct ebb_message *m)
{
	const char *count = take_field(head, end, "vqs-delivery-count");

	m->topic = c->topic;
	m->consumer = c->consumer;
	m->id = take_field(head, end, "vqs-message-id");
	m->receipt = take_field(head, end, "vqs-receipt-handle");
	m->type = take_field(head, end, "content-type");
	if (!count || !m->id || !m->receipt || !m->type)
		return -EBADMSG;
	m->delivery_count = (unsigned int)strtoul(count, NULL, 10);
	return 0;
}

/* Bodies of several parts (RFC 2046 section 5.1); each begins behind an empty line. */
static int read_parts(const struct queue_call *c, const char *type, char *body,
		      struct ebb_message messages[MESSAGES_MAX])
{
	const char *word = strstr(type, "boundary="), *end = c->in + c->in_size;
	char line[80];
	size_t n;
	int count = 0;

	if (!word || snprintf(line, sizeof(line), "\r\n--%s", word + 9) >= (int)sizeof(line))
		return -EBADMSG;
	n = strlen(line);
	if (strncmp(body, line + 2, n - 2) != 0)
		return -EBADMSG;
	for (char *at = body + n - 2; strncmp(at, "--", 2) != 0; count++) {
		char *split = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
		char *stop = split ? memmem(split + 4, (size_t)(end - split - 4), line, n) : NULL;
		struct ebb_message *m = &messages[count];

		if (!stop || count == MESSAGES_MAX || read_part(c, at, split + 2, m) < 0)
			return -EBADMSG;
		m->body = split + 4;
		m->size = (size_t)(stop - m->body);
		*stop = '\0';
		at = stop + n;
	}
	return count;
}

static int read_reply(struct queue_call *c, struct ebb_queue_reply *reply,
		      struct ebb_message messages[MESSAGES_MAX])
{
	char *end = c->in ? memmem(c->in, c->in_size, "\r\n\r\n", 4) : NULL;
	const char *length = end ? take_field(c->in, end + 2, "content-length") : NULL;
	const char *type = end ? take_field(c->in, end + 2, "content-type") : NULL;
	char *body = end ? end + 4 : NULL;
	unsigned int status;
	int r = 0;

	if (!length || sscanf(c->in, "HTTP/1.1 %3u", &status) != 1 ||
	    strtoull(length, NULL, 10) != c->in_size - (size_t)(body - c->in))
		return -EBADMSG;
	if (status >= 300) {
		reply->error = (int)status;
		reply->text = take_text(body, "\"error\":\"");
	} else if (type && strncmp(type, "multipart/mixed", 15) == 0) {
		r = read_parts(c, type, body, messages);
		reply->count = r < 0 ? 0 : (size_t)r;
	} else {
		reply->text = take_text(body, "\"messageId\":\"");
	}
	return r < 0 ? r : 0;
}

static void on_end(struct queue_call *c, int err)
{
	struct ebb_message messages[MESSAGES_MAX];
	struct ebb_queue_reply reply = {.text = "", .messages = messages};

	if (!c->fn)
		return;
	if (err == 0)
		err = read_reply(c, &reply, messages);
	if (err < 0)
		reply.error = err;
	c->fn(c->rq, &reply, c->ctx);
}

/* ---- push ---- */

int ebb_queue_pushed(const struct ebb_request *rq, struct ebb_message *out)
{
	const char *event = ebb_header(rq, "ce-type"), *type = ebb_header(rq, "content-type");
	const char *count = ebb_header(rq, "ce-vqsdeliverycount");
	struct ebb_message m = {.topic = ebb_header(rq, "ce-vqsqueuename"),
				.consumer = ebb_header(rq, "ce-vqsconsumergroup"),
				.id = ebb_header(rq, "ce-vqsmessageid"),
				.receipt = ebb_header(rq, "ce-vqsreceipthandle"),
				.type = type ? type : "application/octet-stream"};

	if (!event || strcmp(event, EVENT) != 0 || !m.topic || !m.consumer || !m.id || !m.receipt ||
	    !count)
		return -EINVAL;
	m.delivery_count = (unsigned int)strtoul(count, NULL, 10);
	*out = m;
	return 0;
}
