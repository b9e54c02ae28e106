// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/exec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/api/api.h"
#include "runtime/api/blob.h"
#include "runtime/api/calls.h"
#include "runtime/api/handlers.h"
#include "runtime/api/problem.h"
#include "runtime/api/request.h"
#include "runtime/base/container_of.h"
#include "runtime/base/fd.h"
#include "runtime/base/loop.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define EXECS_MAX         64
#define PROTOCOL          "ebb-exec"
#define BODY_DEPTH_MAX    4
#define FRAME_HEAD        8u
#define FRAME_BYTES_MAX   65536u
#define BACKLOG_BYTES_MAX (256u << 10)
#define READ_BYTES        16384u
#define DRAIN_BYTES_MAX   (4u << 20) /* of a command that ended, and whose child goes on writing */

enum { STREAM_IN, STREAM_OUT, STREAM_ERR, STREAMS };

struct exec;
struct exec_stream {
	struct exec *exec;
	struct watch watch; /* fd -1: closed */
	uint32_t interest;
};

struct exec {
	struct api *api;
	struct request *rq; /* NULL: free */
	uint64_t cookie;
	bool tty, started;
	uint32_t input_left;                 /* bytes of the input frame under way */
	struct exec_stream streams[STREAMS]; /* with a terminal only the first is used */
};

struct execs {
	uint64_t last_cookie;
	struct exec all[EXECS_MAX];
};

int execs_new(struct execs **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

/* ---- streams ---- */

static void stream_close(struct exec_stream *s)
{
	if (s->watch.fd < 0)
		return;
	loop_unwatch(s->exec->api->loop, &s->watch);
	fd_close(&s->watch.fd);
}

static void stream_want(struct exec_stream *s, uint32_t events, bool on)
{
	uint32_t interest = on ? s->interest | events : s->interest & ~events;

	if (s->watch.fd < 0 || interest == s->interest)
		return;
	s->interest = interest;
	must(loop_rewatch(s->exec->api->loop, &s->watch, interest) == 0);
}

static void exec_free(struct exec *e)
{
	for (int n = 0; n < STREAMS && e->started; n++)
		stream_close(&e->streams[n]);
	*e = (struct exec){0};
}

void execs_free(struct api *api, struct execs *all)
{
	(void)api;
	for (size_t i = 0; all && i < EXECS_MAX; i++)
		exec_free(&all->all[i]);
	free(all);
}

static void send_frame(struct exec *e, char kind, const void *bytes, size_t size)
{
	char head[FRAME_HEAD] = {
		kind,      0, 0, 0, (char)(size >> 24), (char)(size >> 16), (char)(size >> 8),
		(char)size};

	upgrade_send(e->rq, head, sizeof(head));
	upgrade_send(e->rq, bytes, size);
}

/* Sends one piece of output. False when there is none now, or none any more. */
static bool pump(struct exec_stream *s)
{
	struct exec *e = s->exec;
	char bytes[READ_BYTES];
	ssize_t n = s->watch.fd < 0 ? 0 : read(s->watch.fd, bytes, sizeof(bytes));

	if (n > 0) {
		send_frame(e, s == &e->streams[STREAM_ERR] ? 'e' : 'o', bytes, (size_t)n);
		return true;
	}
	/* EIO: nobody has the terminal open any more. */
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		stream_close(s);
	return false;
}

static void on_input(struct request *rq);

static void on_stream(struct watch *w, uint32_t events)
{
	struct exec_stream *s = container_of(w, struct exec_stream, watch);
	struct exec *e = s->exec;

	if (events & EPOLLOUT) {
		stream_want(s, EPOLLOUT, false);
		on_input(e->rq);
	}
	if (s == &e->streams[STREAM_IN] && !e->tty) {
		if (events & (EPOLLERR | EPOLLHUP))
			stream_close(s); /* the command reads no more */
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		(void)pump(s);
		if (stream_backlog(e->rq) > BACKLOG_BYTES_MAX)
			stream_want(s, EPOLLIN, false);
	}
	upgrade_look(e->rq);
}

static int stream_open(struct exec *e, int n, int fd, uint32_t interest)
{
	struct exec_stream *s = &e->streams[n];

	s->watch = (struct watch){.fd = fd, .on_ready = on_stream, .name = "exec on_stream"};
	s->interest = interest;
	return loop_watch(e->api->loop, &s->watch, interest);
}

/* ---- words of the client ---- */

static void tell_signal(struct exec *e, uint32_t number)
{
	const struct wire_exec_signal record = {.cookie = e->cookie, .number = number};

	(void)wire_link_send(&e->api->control, WIRE_EXEC_SIGNAL, &record, sizeof(record), NULL, 0);
}

/* Bytes of input that the command took; 0: the input has to wait. */
static size_t put_input(struct exec *e, const char *bytes, size_t size)
{
	struct exec_stream *s = &e->streams[STREAM_IN];
	ssize_t n = s->watch.fd < 0 ? (ssize_t)size : write(s->watch.fd, bytes, size);

	if (n >= 0)
		return (size_t)n;
	if (errno == EAGAIN || errno == EINTR) {
		stream_want(s, EPOLLOUT, true);
		return 0;
	}
	if (!e->tty)
		stream_close(s); /* EPIPE: further input is thrown away */
	return size;
}

static void end_input(struct exec *e)
{
	static const char end_of_file = 4; /* as a terminal takes it */

	if (e->tty)
		(void)put_input(e, &end_of_file, 1);
	else
		stream_close(&e->streams[STREAM_IN]);
}

/* Takes a frame that is no input. False if the protocol has no such frame. */
static bool take_frame(struct exec *e, char kind, const unsigned char *at, uint32_t size)
{
	struct winsize window = {0};

	if (kind == 's' && size == 1) {
		tell_signal(e, at[0]);
		return at[0] > 0 && at[0] <= 64;
	}
	if (kind != 'w' || size != 4)
		return false;
	window.ws_row = (unsigned short)(at[0] << 8 | at[1]);
	window.ws_col = (unsigned short)(at[2] << 8 | at[3]);
	if (e->tty && e->streams[STREAM_IN].watch.fd >= 0)
		(void)ioctl(e->streams[STREAM_IN].watch.fd, TIOCSWINSZ, &window);
	return true;
}

/* Takes one frame, or a part of an input frame. False when there is nothing to take now. */
static bool take_some(struct exec *e)
{
	size_t size, n;
	const char *at = upgrade_input(e->rq, &size);
	const unsigned char *head = (const unsigned char *)at;
	uint32_t length;

	if (e->input_left > 0) {
		n = size < e->input_left ? size : e->input_left;
		n = n ? put_input(e, at, n) : 0;
		e->input_left -= (uint32_t)n;
		upgrade_used(e->rq, n);
		return n > 0;
	}
	if (size < FRAME_HEAD)
		return false;
	length = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 |
		 head[7];
	if (length > FRAME_BYTES_MAX || head[1] || head[2] || head[3]) {
		stream_abort(e->rq);
		return false;
	}
	if (at[0] == 'i') {
		e->input_left = length;
		upgrade_used(e->rq, FRAME_HEAD);
		if (length == 0)
			end_input(e);
		return true;
	}
	if (size < FRAME_HEAD + length)
		return false;
	if (!take_frame(e, at[0], head + FRAME_HEAD, length))
		stream_abort(e->rq);
	upgrade_used(e->rq, FRAME_HEAD + length);
	return true;
}

static struct exec *find(struct execs *all, const struct request *rq, uint64_t cookie)
{
	for (size_t i = 0; i < EXECS_MAX; i++)
		if (all->all[i].rq && (all->all[i].rq == rq || all->all[i].cookie == cookie))
			return &all->all[i];
	return NULL;
}

/* Bytes came, or went out: called at each turn of the connection. */
static void on_input(struct request *rq)
{
	struct exec *e = find(rq->api->execs, rq, 0);

	if (!e)
		return; /* it has ended */
	while (take_some(e))
		;
	for (int n = e->tty ? STREAM_IN : STREAM_OUT; n < STREAMS; n++)
		stream_want(&e->streams[n], EPOLLIN, stream_backlog(rq) <= BACKLOG_BYTES_MAX);
}

/* ---- its life ---- */

void execs_started(struct api *api, const struct wire_exec_started *record, int *fds,
		   unsigned int fd_count)
{
	struct exec *e = find(api->execs, NULL, record->cookie);
	int r = 0;

	if (!e || e->started || e->tty != (fd_count == 1))
		return; /* the message still owns the descriptors and closes them */
	e->started = true;
	for (int n = 0; n < STREAMS; n++)
		e->streams[n] = (struct exec_stream){.exec = e, .watch = {.fd = -1}};
	for (unsigned int n = 0; r == 0 && n < fd_count; n++)
		r = stream_open(e, (int)n, keep_fd(&fds[n]),
				n == STREAM_IN && !e->tty ? 0 : EPOLLIN);
	upgrade_begin(e->rq, PROTOCOL, on_input);
	if (r < 0)
		stream_abort(e->rq);
}

static void put_u32(char *at, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (char)(n >> (24 - 8 * i));
}

/* Sends output that the command wrote before its end, so that its end comes last. */
static void drain(struct exec *e)
{
	size_t limit = stream_backlog(e->rq) + DRAIN_BYTES_MAX;

	for (int n = e->tty ? STREAM_IN : STREAM_OUT; n < STREAMS; n++)
		while (stream_backlog(e->rq) < limit && pump(&e->streams[n]))
			;
}

void execs_ended(struct api *api, const struct wire_exec_ended *record)
{
	struct exec *e = find(api->execs, NULL, record->cookie);
	struct request *rq = e ? e->rq : NULL;
	char end[8];

	if (!e)
		return;
	if (!e->started) {
		exec_free(e);
		problem_reply_answer(rq, "run the command",
				     &(struct answer){.err = record->err ? record->err : EIO,
						      .text = record->text});
		return;
	}
	drain(e);
	put_u32(end, record->signalled);
	put_u32(end + 4, (uint32_t)record->code);
	if (record->err)
		send_frame(e, 'f', record->text, strlen(record->text));
	else
		send_frame(e, 'x', end, sizeof(end));
	exec_free(e);
	upgrade_end(rq);
}

void execs_forget(struct api *api, const struct request *rq)
{
	struct exec *e = find(api->execs, rq, 0);

	if (!e)
		return;
	tell_signal(e, 0);
	exec_free(e);
}

/* ---- the request ---- */

static bool read_number(const struct json *document, const char *key, uint32_t *out)
{
	const struct json *value = json_get(document, key);
	int64_t n = 0;

	if (value && (json_int(value, &n) < 0 || n < 0 || n > UINT16_MAX))
		return false;
	*out = (uint32_t)n;
	return true;
}

/* False after having answered. */
static bool read_body(struct request *rq, struct wire_exec_start *record)
{
	struct blob argv = {.memory = record->argv, .size = sizeof(record->argv)};
	struct problem_list errors = {0};
	struct json *document = NULL;
	char err[200];

	if (json_parse(rq->body, rq->body_size, BODY_DEPTH_MAX, &document, err, sizeof(err)) < 0) {
		problem_reply(rq, 400, "send {\"command\": [\"sh\"], \"tty\": false}",
			      "the body is not JSON: %s", err);
		return false;
	}
	if (json_kind(json_get(document, "command")) != JSON_ARRAY ||
	    blob_read(&argv, json_get(document, "command")) < 0 || argv.count == 0)
		problem_add(&errors, "command", "it is not a list of words, of at most 8 KiB");
	if (!read_number(document, "rows", &record->rows) ||
	    !read_number(document, "columns", &record->columns))
		problem_add(&errors, "rows", "rows and columns are numbers (0..65535)");
	record->argc = (uint16_t)argv.count;
	record->tty = json_is_true(json_get(document, "tty"));
	json_free(document);
	if (errors.count > 0)
		problem_reply_list(rq, &errors);
	return errors.count == 0;
}

static struct exec *place(struct execs *all)
{
	for (size_t i = 0; i < EXECS_MAX; i++)
		if (!all->all[i].rq)
			return &all->all[i];
	return NULL;
}

void post_instance_exec(struct request *rq)
{
	const struct http_header *upgrade = http_find(&rq->head, "upgrade");
	struct execs *all = rq->api->execs;
	struct exec *e = place(all);
	struct wire_exec_start record = {0};
	int r;

	if (!upgrade || !http_slice_is(upgrade->value, PROTOCOL)) {
		problem_reply(rq, 400, "send Connection: Upgrade and Upgrade: " PROTOCOL,
			      "a command is spoken with over an upgraded connection");
		return;
	}
	if (!e) {
		problem_reply(rq, 503, "end one of them", "%d commands run already", EXECS_MAX);
		return;
	}
	if (text_copy(record.id, sizeof(record.id), rq->arg) < 0) {
		problem_reply(rq, 404, "ebb ps shows what there is", "there is no such instance");
		return;
	}
	if (!read_body(rq, &record))
		return;
	*e = (struct exec){
		.api = rq->api, .rq = rq, .tty = record.tty, .cookie = ++all->last_cookie};
	record.cookie = e->cookie;
	r = wire_link_send(&rq->api->control, WIRE_EXEC_START, &record, sizeof(record), NULL, 0);
	if (r == 0)
		return;
	exec_free(e);
	problem_reply_answer(rq, "run the command", &(struct answer){.err = -r});
}
