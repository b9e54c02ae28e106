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
#include "runtime/flow/queue_words.h"

#define READ_BYTES         16384
#define ANSWER_BODY_MAX    (UINT64_C(16) << 20)
#define RETRY_AFTER_MOST_S 86400

void delivery_end(struct delivery *d)
{
	if (!d)
		return;
	loop_unwatch(d->flow->loop, &d->watch);
	fd_close(&d->watch.fd);
	if (d->request)
		explicit_bzero(d->request, d->request_size); /* it may have a token */
	free(d->request);
	free(d->head);
	free(d);
}

/* ---- the answer ---- */

/* Bytes of the body: nobody reads them, but their end says that the answer is whole. */
static int take_body(struct delivery *d, const char *bytes, size_t size)
{
	struct http_slice data;
	size_t used;

	d->body += size;
	if (d->body > ANSWER_BODY_MAX)
		return -EFBIG;
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

/* Seconds; 0: not said, or a date (RFC 9110 section 10.2.3), or no number. */
static uint64_t retry_after(const struct http_head *head)
{
	const struct http_header *h = http_find(head, "retry-after");
	uint64_t seconds = 0;

	return h && queue_number(h->value, 0, RETRY_AFTER_MOST_S, &seconds) == 0 ? seconds : 0;
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
		d->retry_after_s = retry_after(head);
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

/* Sends what the socket takes. 0, also with a rest; or -errno. */
static int send_more(struct delivery *d)
{
	ssize_t n =
		send(d->watch.fd, d->request + d->sent, d->request_size - d->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	d->sent += (size_t)n;
	if (d->sent < d->request_size)
		return 0;
	explicit_bzero(d->request, d->request_size);
	free(keep_mem(d->request));
	return 0;
}

/* A part of the request is still here. The answer, or the end, is read before the rest is sent. */
static void go_on(struct delivery *d, uint32_t events)
{
	if (!d->request || !(events & EPOLLOUT))
		return;
	if (send_more(d) == 0 && !d->request)
		(void)loop_rewatch(d->flow->loop, &d->watch, EPOLLIN);
}

static void on_answer(struct watch *w, uint32_t events)
{
	struct delivery *d = container_of(w, struct delivery, watch);
	char bytes[READ_BYTES];
	ssize_t n = recv(w->fd, bytes, sizeof(bytes), 0);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		go_on(d, events);
		return;
	}
	r = n > 0 ? take(d, bytes, (size_t)n) : 0;
	if (n > 0 && r == 0 && !d->whole)
		return;
	if (d->whole || (n == 0 && d->status && d->framing == HTTP_UNTIL_CLOSE))
		d->ended(d->flow, d->owner, NULL);
	else
		d->ended(d->flow, d->owner,
			 r == -EFBIG ? "the answer was larger than 16 MiB"
			 : r < 0     ? "the answer was none of HTTP"
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

int deliver(struct flow *f, char *request, size_t size, void *owner, delivery_ended_fn ended,
	    struct delivery **out)
{
	struct delivery *d = calloc(1, sizeof(*d));
	int e = -ENOMEM;

	if (!d) {
		free(request);
		return -ENOMEM;
	}
	*d = (struct delivery){
		.flow = f,
		.owner = owner,
		.ended = ended,
		.request = request,
		.request_size = size,
		.head = malloc(ANSWER_HEAD_MAX),
		.watch = {.fd = -1, .on_ready = on_answer, .name = "deliver on_answer"}};
	if (d->head)
		e = d->watch.fd = dial();
	if (e >= 0)
		e = send_more(d);
	if (e == 0)
		e = loop_watch(f->loop, &d->watch, d->request ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (e < 0) {
		delivery_end(d);
		return e;
	}
	*out = d;
	return 0;
}
