// SPDX-License-Identifier: Apache-2.0
/* One delivery: a request on a connection of its own to a gateway, and its answer. */
#include "runtime/flow/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define REQUEST_MAX 8192
#define READ_BYTES  16384

static const char *const methods[WIRE_RUN_METHOD_COUNT] = {
	[WIRE_RUN_GET] = "GET", [WIRE_RUN_POST] = "POST"};

/* The id of the run is that of the request, too: access log and traces have it. */
static int write_request(const struct run *r, char *text, size_t size)
{
	const struct wire_flow_schedule *s = &r->of->is;
	char date[CLOCK_DATE_SIZE];
	bool token = *s->token;

	return text_format(text, size,
			   "%s %s HTTP/1.1\r\nhost: %s\r\nuser-agent: vercel-cron/1.0\r\n"
			   "x-ebb-service: %s\r\nx-ebb-id: %s\r\nx-ebb-run: %s\r\n"
			   "x-ebb-schedule: %s\r\nx-ebb-scheduled: %s\r\nx-ebb-attempt: %u\r\n"
			   "%s%s%s%sconnection: close\r\n\r\n",
			   methods[s->method], s->path, s->host, s->service, r->is.id, r->is.id,
			   s->name, clock_rfc3339(r->is.scheduled_us, date), r->is.attempts,
			   token ? "authorization: Bearer " : "", s->token, token ? "\r\n" : "",
			   s->method == WIRE_RUN_POST ? "content-length: 0\r\n" : "");
}

void delivery_end(struct delivery *d)
{
	if (!d)
		return;
	loop_unwatch(d->flow->loop, &d->watch);
	fd_close(&d->watch.fd);
	free(d->head);
	free(d);
}

/* ---- the answer ---- */

/* Bytes of the body: nobody reads them, but their end says that the answer is whole. */
static int take_body(struct delivery *d, const char *bytes, size_t size)
{
	struct http_slice data;
	size_t used;

	if (d->framing == HTTP_LENGTH) {
		d->left -= size < d->left ? size : d->left;
		d->whole = d->left == 0;
	}
	while (d->framing == HTTP_CHUNKED && size > 0 && !d->whole) {
		int r = http_chunked_next(&d->chunks, bytes, size, &used, &data);

		if (r < 0)
			return r;
		d->whole = r == 1;
		bytes += used;
		size -= used;
	}
	return 0;
}

/* The head is whole. An interim answer is passed over. */
static int take_head(struct delivery *d, size_t head_size)
{
	SCOPED_MEM struct http_head *head = malloc(sizeof(*head));
	const char *why;

	if (!head)
		return -ENOMEM;
	if (http_response_parse(d->head, head_size, false, head, &why) != 0)
		return -EBADMSG;
	if (head->status >= 200) {
		d->status = head->status;
		d->refused = http_find(head, "x-ebb-error");
		d->framing = head->framing;
		d->left = head->framing == HTTP_LENGTH ? head->body_bytes : 0;
		d->whole = head->framing == HTTP_NO_BODY ||
			   (head->framing == HTTP_LENGTH && d->left == 0);
		http_chunked_init(&d->chunks);
	}
	d->size -= head_size;
	memmove(d->head, d->head + head_size, d->size);
	return 0;
}

static int take(struct delivery *d, const char *bytes, size_t size)
{
	int r = 0;

	if (d->status)
		return take_body(d, bytes, size);
	if (size > ANSWER_HEAD_MAX - d->size)
		return -EMSGSIZE;
	memcpy(d->head + d->size, bytes, size);
	d->size += size;
	while (r == 0 && d->status == 0 && d->size > 0) {
		long end = http_head_end(d->head, d->size, 0, ANSWER_HEAD_MAX);

		if (end == 0)
			return 0;
		r = end < 0 ? -EBADMSG : take_head(d, (size_t)end);
	}
	return r == 0 && d->status ? take_body(d, d->head, d->size) : r;
}

static void on_answer(struct watch *w, uint32_t events)
{
	struct delivery *d = container_of(w, struct delivery, watch);
	char bytes[READ_BYTES];
	ssize_t n = recv(w->fd, bytes, sizeof(bytes), 0);
	int r;

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	r = n > 0 ? take(d, bytes, (size_t)n) : 0;
	if (n > 0 && r == 0 && !d->whole)
		return;
	if (d->whole || (n == 0 && d->status && d->framing == HTTP_UNTIL_CLOSE))
		d->ended(d->flow, d->run, NULL);
	else
		d->ended(d->flow, d->run,
			 r < 0 ? "the answer was none of HTTP"
			       : "the connection ended before the answer did");
}

/* ---- the request ---- */

/* The socket stands in the present directory, which is the root. */
static int dial(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = FLOW_SOCKET};
	SCOPED_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return keep_fd(&fd);
}

/* A request fits the buffer of a new socket, so one call sends it whole or not at all. */
static int send_request(int fd, const struct run *r)
{
	char text[REQUEST_MAX];
	int e = write_request(r, text, sizeof(text));
	ssize_t sent = e < 0 ? e : send(fd, text, strlen(text), MSG_NOSIGNAL);

	if (e == 0 && sent != (ssize_t)strlen(text))
		e = sent < 0 ? -errno : -ENOBUFS;
	explicit_bzero(text, sizeof(text));
	return e;
}

int deliver(struct flow *f, struct run *r,
	    void (*ended)(struct flow *f, struct run *r, const char *lost))
{
	SCOPED_FD fd = dial();
	struct delivery *d;
	int e = fd < 0 ? fd : send_request(fd, r);

	if (e < 0)
		return e;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->head = malloc(ANSWER_HEAD_MAX);
	d->flow = f;
	d->run = r;
	d->ended = ended;
	d->watch = (struct watch){
		.fd = keep_fd(&fd), .on_ready = on_answer, .name = "deliver on_answer"};
	e = d->head ? loop_watch(f->loop, &d->watch, EPOLLIN) : -ENOMEM;
	if (e < 0) {
		delivery_end(d);
		return e;
	}
	r->delivery = d;
	return 0;
}
