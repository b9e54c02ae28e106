// SPDX-License-Identifier: Apache-2.0
/* Answers (RFC 9112, 4 and 6; RFC 9110, 15): heads, framing, and the order of calls. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loop.h"

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{416, "Range Not Satisfiable"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

/* The reason phrase of a status, which may be empty (RFC 9112 section 4). */
static const char *reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

static bool is_ours(const char *name)
{
	return strcasecmp(name, "content-length") == 0 ||
	       strcasecmp(name, "transfer-encoding") == 0 || strcasecmp(name, "connection") == 0;
}

int ebb_header_add(struct ebb_request *rq, const char *name, const char *value)
{
	size_t room = EXTRA_BYTES - rq->extra_used;
	int n;

	if (rq->answer != ANSWER_NONE || !is_token(name, strlen(name)) || !is_value(value) ||
	    is_ours(name))
		return -EINVAL;
	n = snprintf(rq->extra + rq->extra_used, room, "%s: %s\r\n", name, value);
	if (n < 0 || (size_t)n >= room)
		return -ENOSPC;
	rq->extra_used += (size_t)n;
	return 0;
}

static int put_head(struct ebb_request *rq, int status, const char *type, int64_t length)
{
	char framing[64] = "";
	size_t room = OUT_BYTES - rq->out_used - 2 * FRAME_BYTES;
	int n;

	if (rq->no_body || (length < 0 && rq->http_10))
		; /* neither Content-Length nor Transfer-Encoding */
	else if (length < 0)
		snprintf(framing, sizeof(framing), "Transfer-Encoding: chunked\r\n");
	else
		snprintf(framing, sizeof(framing), "Content-Length: %lld\r\n", (long long)length);
	n = snprintf(rq->out + rq->out_used, room, "HTTP/1.1 %d %s\r\n%s%s%s%s%.*s%s\r\n", status,
		     reason_of(status), type ? "Content-Type: " : "", type ? type : "",
		     type ? "\r\n" : "", framing, (int)rq->extra_used, rq->extra,
		     rq->close_after ? "Connection: close\r\n" : "");
	if (n < 0 || (size_t)n >= room)
		return -ENOSPC;
	rq->out_used += (size_t)n;
	return 0;
}

/* Begins an answer. A client that expects 100 (Continue) and gets a final answer may never send its
 * body (RFC 9110 section 10.1.1), so the connection is closed behind such an answer. */
static int begin(struct ebb_request *rq, int status, const char *type, int64_t length)
{
	int r;

	if (rq->answer != ANSWER_NONE || status < 200 || status > 599 || (type && !is_value(type)))
		return -EINVAL;
	rq->close_after |= rq->expects || rq->loop->draining;
	rq->no_body = status == 204 || status == 304;
	rq->endless = length < 0;
	/* A client of HTTP/1.0 understands no chunks: its connection ends the body. */
	rq->chunked_out = rq->endless && !rq->no_body && !rq->http_10;
	r = put_head(rq, status, type, length);
	if (r < 0)
		return r;
	rq->answer_left = length < 0 ? UINT64_MAX : (uint64_t)length;
	rq->answer = ANSWER_OPEN;
	return 0;
}

int ebb_begin(struct ebb_request *rq, int status, const char *type, int64_t length)
{
	int r = begin(rq, status, type, length);

	if (r == 0)
		conn_flush(rq);
	return r;
}

size_t ebb_room(const struct ebb_request *rq)
{
	size_t room = OUT_BYTES - rq->out_used;

	if (rq->tail || rq->file_left > 0 || room <= 2 * FRAME_BYTES)
		return 0;
	return room - 2 * FRAME_BYTES;
}

static void put(struct ebb_request *rq, const void *data, size_t size)
{
	memcpy(rq->out + rq->out_used, data, size);
	rq->out_used += size;
}

long ebb_write(struct ebb_request *rq, const void *data, size_t size)
{
	size_t room = ebb_room(rq);

	if (rq->answer != ANSWER_OPEN)
		return -EINVAL;
	if (size > rq->answer_left)
		return -EMSGSIZE;
	if (size > room)
		size = room;
	if (size == 0)
		return 0;
	if (!rq->endless)
		rq->answer_left -= size;
	if (rq->head_only || rq->no_body)
		return (long)size;
	if (rq->chunked_out)
		rq->out_used +=
			(size_t)snprintf(rq->out + rq->out_used, FRAME_BYTES, "%zx\r\n", size);
	put(rq, data, size);
	if (rq->chunked_out)
		put(rq, "\r\n", 2);
	conn_flush(rq);
	return (long)size;
}

int ebb_file(struct ebb_request *rq, int fd, uint64_t offset, uint64_t size)
{
	if (rq->answer != ANSWER_OPEN || rq->endless || rq->tail || rq->file_left > 0 || fd < 0)
		return -EINVAL;
	if (size > rq->answer_left)
		return -EMSGSIZE;
	if (offset > INT64_MAX - size)
		return -EOVERFLOW;
	rq->answer_left -= size;
	if (rq->head_only || rq->no_body || size == 0)
		return 1;
	rq->file_fd = fd;
	rq->file_at = offset;
	rq->file_left = size;
	conn_flush(rq);
	return 0;
}

/* A body that is shorter than promised ends with the connection, so that the client does not take
 * it for whole. */
int ebb_end(struct ebb_request *rq)
{
	if (rq->answer != ANSWER_OPEN)
		return -EINVAL;
	if (!rq->endless && rq->answer_left > 0 && !rq->head_only && !rq->no_body) {
		ebb_fail(rq, "the answer ended %llu bytes early",
			 (unsigned long long)rq->answer_left);
		return -EMSGSIZE;
	}
	if (rq->chunked_out && !rq->head_only)
		put(rq, "0\r\n\r\n", 5);
	rq->answer = ANSWER_DONE;
	ebb_timer_off(rq->loop, &rq->awake);
	conn_flush(rq);
	if (!rq->sending)
		conn_sent(rq, 0);
	return 0;
}

/* A body that does not fit the rest of `out` gets memory of its own (tail). */
static int put_body(struct ebb_request *rq, const void *body, size_t size)
{
	if (rq->head_only || rq->no_body || size == 0)
		return 0;
	if (size <= OUT_BYTES - rq->out_used) {
		put(rq, body, size);
		return 0;
	}
	rq->tail = malloc(size);
	if (!rq->tail)
		return -ENOMEM;
	memcpy(rq->tail, body, size);
	rq->tail_size = size;
	return 0;
}

int ebb_respond(struct ebb_request *rq, int status, const char *type, const void *body, size_t size)
{
	size_t before = rq->out_used;
	int r = size > INT64_MAX ? -EINVAL : begin(rq, status, type, (int64_t)size);

	if (r == 0)
		r = put_body(rq, body, size);
	if (r < 0) {
		rq->out_used = before;
		rq->answer = ANSWER_NONE;
		return r;
	}
	rq->answer = ANSWER_DONE;
	ebb_timer_off(rq->loop, &rq->awake);
	conn_flush(rq);
	return 0;
}

void answer_refuse(struct ebb_request *rq, int status, const char *text)
{
	if (ebb_respond(rq, status, "text/plain", text, strlen(text)) < 0)
		conn_gone(rq);
}

int ebb_nack(struct ebb_request *rq)
{
	static const char text[] = "another instance, please\n";
	int r = ebb_header_add(rq, "x-ebb-nack", "1");

	return r < 0 ? r : ebb_respond(rq, 503, "text/plain", text, sizeof(text) - 1);
}

void ebb_fail(struct ebb_request *rq, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_line(rq->id, "ebb: request failed: %s", text);
	rq->on_cancel = NULL;
	if (rq->answer == ANSWER_DONE)
		return; /* the answer is complete already */
	if (rq->answer != ANSWER_NONE) {
		conn_gone(rq);
		return;
	}
	rq->extra_used = 0;
	answer_refuse(rq, 500, "the function failed; its log says why\n");
}
