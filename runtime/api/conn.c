// SPDX-License-Identifier: Apache-2.0
/* The life of a connection: how each state takes the input. */
#include "runtime/api/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/api/early.h"
#include "runtime/api/problem.h"
#include "runtime/api/routes.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

static void on_ready(struct watch *source, uint32_t events);

#define HEAD_BYTES_MAX   65536u
#define BODY_BYTES_MAX   (256u << 10)
#define READ_BYTES       65536u
#define LINGER_BYTES_MAX (64u << 20)
/* A client may look at a page of the rest for so long after its command has ended. */
#define REST_S_MAX 600

struct conn *conn_new(struct conn_shared *shared, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	socklen_t size = sizeof(c->request.peer);

	if (!c)
		return NULL;
	c->shared = shared;
	chain_init(&c->in_todo);
	c->source = (struct watch){.fd = fd, .on_ready = on_ready, .name = "conn on_ready"};
	c->spool_write_fd = -1;
	c->request.spool_fd = -1;
	c->request.api = shared->options.api;
	c->interest = EPOLLIN;
	c->progress_ns = clock_mono_ns();
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->request.peer, &size) < 0 ||
	    loop_watch(shared->options.loop, &c->source, EPOLLIN) < 0) {
		free(c);
		return NULL;
	}
	return c;
}

static void forget_request(struct conn *c)
{
	c->shared->options.forget(c->shared->options.api, &c->request);
}

void conn_free(struct conn *c)
{
	chain_remove(&c->in_todo);
	loop_unwatch(c->shared->options.loop, &c->source);
	forget_request(c);
	fd_close(&c->source.fd);
	fd_close(&c->spool_write_fd);
	fd_close(&c->request.spool_fd);
	buffer_fini(&c->in);
	buffer_fini(&c->out);
	buffer_fini(&c->body);
	free(c->head_text);
	free(c);
}

static bool refuse_head(struct conn *c, int status, const char *why)
{
	c->request.head = (struct http_head){.minor_version = 1};
	problem_reply(&c->request, status, "send a valid HTTP/1.1 request", "%s", why);
	return true;
}

static void log_change(const struct conn *c)
{
	const struct request *rq = &c->request;
	char path[300], text[256];

	if (http_slice_is(rq->head.method, "GET"))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)rq->head.path.size, rq->head.path.at);
	log_info("event=change method=%.*s path=%s uid=%u pid=%d", (int)rq->head.method.size,
		 rq->head.method.at, log_quote(path, sizeof(path), text), rq->peer.uid,
		 rq->peer.pid);
}

/* A file without a name, once to write and once to read. 0 or -errno. */
static int make_spool(int dir_fd, int *write_fd, int *read_fd)
{
	static const char name[] = "upload"; /* gone again before anything else runs */
	SCOPED_FD out_fd = -1;
	SCOPED_FD in_fd = -1;
	int err = 0;

	(void)unlinkat(dir_fd, name, 0);
	out_fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out_fd < 0)
		return -errno;
	in_fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (in_fd < 0)
		err = -errno;
	if (unlinkat(dir_fd, name, 0) < 0 && !err)
		err = -errno;
	if (err)
		return err;
	*write_fd = keep_fd(&out_fd);
	*read_fd = keep_fd(&in_fd);
	return 0;
}

static void prepare_body(struct conn *c)
{
	const struct http_head *head = &c->request.head;

	conn_enter(c, CONN_BODY);
	c->body_left = head->framing == HTTP_LENGTH ? head->body_bytes : 0;
	http_chunked_init(&c->chunked);
	if (head->expect_continue && head->framing != HTTP_NO_BODY && c->in.size == 0 &&
	    buffer_printf(&c->out, "HTTP/1.1 100 Continue\r\n\r\n") < 0)
		c->doomed = true;
}

static bool begin_request(struct conn *c)
{
	struct request *rq = &c->request;
	int r;

	c->keep_alive = rq->head.keep_alive;
	c->route = c->shared->options.route_find(rq);
	if (!c->route)
		return true;
	log_change(c);
	if (c->route->body == ROUTE_BODY_SPOOL) {
		r = make_spool(c->shared->options.spool_dir_fd, &c->spool_write_fd, &rq->spool_fd);
		if (r < 0) {
			problem_reply(rq, 507, "free some space in the state directory",
				      "cannot make a file for the upload: %s", strerror(-r));
			return true;
		}
	}
	prepare_body(c);
	return true;
}

static bool step_head(struct conn *c)
{
	const char *why = "";
	long end;
	int status;

	if (c->in.size == 0)
		return false;
	end = http_head_end(buffer_at(&c->in), c->in.size, c->head_seen, HEAD_BYTES_MAX);
	if (end < 0)
		return refuse_head(c, 431, "the request head is larger than 64 KiB");
	c->head_seen = c->in.size;
	if (end == 0)
		return false;
	c->head_seen = 0;
	free(c->head_text);
	c->head_text = malloc((size_t)end);
	if (!c->head_text) {
		c->doomed = true;
		return false;
	}
	memcpy(c->head_text, buffer_at(&c->in), (size_t)end);
	buffer_take(&c->in, (size_t)end);
	c->request.head_text = c->head_text;
	c->request.head_size = (size_t)end;
	status = http_request_parse(c->head_text, (size_t)end, &c->request.head, &why);
	return status ? refuse_head(c, status, why) : begin_request(c);
}

/* Keeps a piece of the body. False after having answered with an error. */
static bool keep_body(struct conn *c, const char *bytes, size_t size)
{
	bool spool = c->route->body == ROUTE_BODY_SPOOL;
	uint64_t max = spool ? c->shared->options.upload_bytes_max : BODY_BYTES_MAX;
	int r;

	c->body_bytes += size;
	if (c->body_bytes > max) {
		problem_reply(&c->request, 413, "send less", "the body is larger than %llu bytes",
			      (unsigned long long)max);
		return false;
	}
	r = spool ? fd_write_all(c->spool_write_fd, bytes, size)
		  : buffer_add(&c->body, bytes, size);
	if (r < 0)
		problem_reply(&c->request, 507, "free some space: ebb image gc",
			      "cannot keep the body: %s", strerror(-r));
	return r == 0;
}

/* The body is whole: the handler's turn. */
static bool hand_over(struct conn *c)
{
	struct request *rq = &c->request;

	fd_close(&c->spool_write_fd);
	if (!buffer_reserve(&c->body, 1)) {
		c->doomed = true;
		return false;
	}
	*(buffer_at(&c->body) + c->body.size) = '\0';
	rq->body = buffer_at(&c->body);
	rq->body_size = c->body.size;
	conn_enter(c, CONN_BUSY);
	if (!early_keeps(rq->api, c->route, rq))
		route_handle(c->route, rq);
	return true;
}

static bool step_body_chunked(struct conn *c)
{
	while (c->in.size > 0) {
		struct http_slice data;
		size_t used;
		int r = http_chunked_next(&c->chunked, buffer_at(&c->in), c->in.size, &used, &data);

		if (r < 0)
			return refuse_head(c, 400, "the chunked body is malformed");
		if (data.size > 0 && !keep_body(c, data.at, data.size))
			return true;
		buffer_take(&c->in, used);
		if (r == 1)
			return hand_over(c);
	}
	return false;
}

static bool step_body(struct conn *c)
{
	size_t n;

	if (c->request.head.framing == HTTP_CHUNKED)
		return step_body_chunked(c);
	n = c->in.size < c->body_left ? c->in.size : (size_t)c->body_left;
	if (n > 0) {
		if (!keep_body(c, buffer_at(&c->in), n))
			return true;
		buffer_take(&c->in, n);
		c->body_left -= n;
	}
	return c->body_left == 0 && hand_over(c);
}

static bool step_nothing(struct conn *c)
{
	(void)c;
	return false;
}

static void next_request(struct conn *c)
{
	struct request *rq = &c->request;

	forget_request(c);
	fd_close(&rq->spool_fd);
	rq->arg[0] = '\0';
	rq->on_input = NULL;
	buffer_fini(&c->body);
	c->body_bytes = 0;
	c->route = NULL;
	conn_enter(c, CONN_HEAD);
}

static bool step_finish(struct conn *c)
{
	if (c->out.size > 0)
		return false;
	if (c->keep_alive) {
		next_request(c);
		return true;
	}
	/* A close with unread bytes would make the client's next write fail before the client reads
	 * our answer (RFC 9112 section 9.6). */
	fd_close(&c->spool_write_fd);
	shutdown(c->source.fd, SHUT_WR);
	c->body_bytes = 0;
	conn_enter(c, CONN_LINGER);
	return true;
}

static bool step_upgraded(struct conn *c)
{
	if (c->ending)
		c->doomed |= c->out.size == 0;
	else
		c->request.on_input(&c->request);
	return false;
}

static bool step_stream(struct conn *c)
{
	if (c->request.on_input)
		c->request.on_input(&c->request);
	return false;
}

static bool step_linger(struct conn *c)
{
	c->body_bytes += c->in.size;
	buffer_take(&c->in, c->in.size);
	if (c->body_bytes > LINGER_BYTES_MAX)
		c->doomed = true;
	return false;
}

static const struct {
	bool (*step)(struct conn *c); /* true: the state has changed, look again */
	bool reads;
	unsigned int timeout_s; /* without progress; 0: none */
} states[CONN_STATE_COUNT] = {
	[CONN_HEAD] = {step_head, true, 75},        [CONN_BODY] = {step_body, true, 60},
	[CONN_BUSY] = {step_nothing, false, 0},     [CONN_STREAM] = {step_stream, false, 60},
	[CONN_UPGRADED] = {step_upgraded, true, 0}, [CONN_FINISH] = {step_finish, false, 60},
	[CONN_LINGER] = {step_linger, true, 2},
};

bool conn_expired(const struct conn *c, uint64_t now_ns)
{
	unsigned int limit_s = c->ending ? REST_S_MAX : states[c->state].timeout_s;

	if (limit_s == 0 || (c->state == CONN_STREAM && c->out.size == 0))
		return false;
	return now_ns > c->progress_ns + limit_s * NS_PER_SEC;
}

static void flush(struct conn *c)
{
	while (c->out.size > 0) {
		ssize_t n = send(c->source.fd, buffer_at(&c->out), c->out.size,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->doomed |= errno != EAGAIN;
			return;
		}
		buffer_take(&c->out, (size_t)n);
		c->progress_ns = clock_mono_ns();
	}
}

void conn_advance(struct conn *c)
{
	enum conn_state before = c->state;
	uint32_t interest;
	bool reads;

	do {
		flush(c);
	} while (!c->doomed && states[c->state].step(c));
	if (!c->doomed)
		flush(c);
	if (c->state != before)
		c->progress_ns = clock_mono_ns();
	reads = states[c->state].reads && (c->state != CONN_UPGRADED || c->in.size < READ_BYTES);
	interest = (reads ? EPOLLIN : 0u) | (c->out.size ? EPOLLOUT : 0u);
	if (c->doomed || interest == c->interest)
		return;
	c->interest = interest;
	must(loop_rewatch(c->shared->options.loop, &c->source, interest) == 0);
}

static void receive(struct conn *c)
{
	char *at = buffer_reserve(&c->in, READ_BYTES);
	ssize_t n = at ? recv(c->source.fd, at, READ_BYTES, MSG_DONTWAIT) : 0;

	if (n > 0) {
		buffer_added(&c->in, (size_t)n);
		c->progress_ns = clock_mono_ns();
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		c->doomed = true;
	}
}

/* A client that has closed only its sending side still gets its answer: the server sees end of file
 * while it awaits a head or a body, and no EPOLLHUP. EPOLLHUP means that the client is gone. */
static void on_ready(struct watch *source, uint32_t events)
{
	struct conn *c = container_of(source, struct conn, source);

	if (events & (EPOLLHUP | EPOLLERR))
		c->doomed = true;
	else if ((events & EPOLLIN) && states[c->state].reads)
		receive(c);
	conn_todo(c);
}
