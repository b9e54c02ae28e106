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
#define SIGNAL_MAX        64
#define TAKEN             0          /* the kind of a frame that was looked at ahead of its turn */
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
	struct request *rq; /* NULL: free, or left */
	uint64_t cookie;
	bool tty, started;
	bool left;           /* its client is gone, and ebbd could not be told yet */
	uint32_t input_left; /* bytes of the input frame under way */
	size_t ahead;        /* bytes of the client up to the next frame that was not looked at */
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

	must(e->rq && size <= UINT32_MAX);
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

	must(e->started && s->exec == e && s->watch.fd < 0);
	s->watch = (struct watch){.fd = fd, .on_ready = on_stream, .name = "exec on_stream"};
	s->interest = interest;
	return loop_watch(e->api->loop, &s->watch, interest);
}

/* ---- words of the client ---- */

/* number 0: ends the command. */
static int tell_signal(struct exec *e, uint32_t number)
{
	const struct wire_exec_signal record = {.cookie = e->cookie, .number = number};

	return wire_link_send(&e->api->control, WIRE_EXEC_SIGNAL, &record, sizeof(record), NULL, 0);
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

	if (kind == TAKEN)
		return true;
	/* ebbd ends an ebb-api that sends another number. */
	if (kind == 's' && size == 1)
		return at[0] > 0 && at[0] <= SIGNAL_MAX && tell_signal(e, at[0]) == 0;
	if (kind != 'w' || size != 4)
		return false;
	window.ws_row = (unsigned short)(at[0] << 8 | at[1]);
	window.ws_col = (unsigned short)(at[2] << 8 | at[3]);
	if (e->tty && e->streams[STREAM_IN].watch.fd >= 0)
		(void)ioctl(e->streams[STREAM_IN].watch.fd, TIOCSWINSZ, &window);
	return true;
}

static uint32_t length_of(const unsigned char *head)
{
	return (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
}

static bool head_is_good(const unsigned char *head)
{
	return length_of(head) <= FRAME_BYTES_MAX && !head[1] && !head[2] && !head[3];
}

static void used(struct exec *e, size_t size)
{
	upgrade_used(e->rq, size);
	e->ahead = e->ahead > size ? e->ahead - size : 0;
}

/* Signals and sizes of the window do not wait behind input that the command does not read. They are
 * taken as they come, and what stays of them says nothing. */
static void look_ahead(struct exec *e)
{
	size_t size;
	unsigned char *at = (unsigned char *)upgrade_input(e->rq, &size);

	if (e->ahead < e->input_left)
		e->ahead = e->input_left;
	while (e->ahead + FRAME_HEAD <= size && head_is_good(at + e->ahead)) {
		unsigned char *head = at + e->ahead;
		size_t whole = FRAME_HEAD + length_of(head);

		if (head[0] != 'i') {
			if (e->ahead + whole > size)
				return;
			if (!take_frame(e, (char)head[0], head + FRAME_HEAD, length_of(head)))
				return; /* take_some ends the connection when it gets there */
			head[0] = TAKEN;
		}
		e->ahead += whole;
	}
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
		must(n <= e->input_left);
		e->input_left -= (uint32_t)n;
		used(e, n);
		return n > 0;
	}
	if (size < FRAME_HEAD)
		return false;
	length = length_of(head);
	if (!head_is_good(head)) {
		stream_abort(e->rq);
		return false;
	}
	if (at[0] == 'i') {
		e->input_left = length;
		used(e, FRAME_HEAD);
		if (length == 0)
			end_input(e);
		return true;
	}
	if (size < FRAME_HEAD + length)
		return false;
	if (!take_frame(e, at[0], head + FRAME_HEAD, length))
		stream_abort(e->rq);
	used(e, FRAME_HEAD + length);
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
	look_ahead(e);
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
	must(e->rq == rq);
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

/* Tells ebbd to end the command of a client that left. While the channel to ebbd is full the place
 * stays taken, so that the command cannot live on without a client. */
static void end_command(struct exec *e)
{
	struct api *api = e->api;
	uint64_t cookie = e->cookie;
	bool told = tell_signal(e, 0) == 0;

	exec_free(e);
	if (!told)
		*e = (struct exec){.api = api, .cookie = cookie, .left = true};
}

void execs_forget(struct api *api, const struct request *rq)
{
	struct exec *e = find(api->execs, rq, 0);

	if (e)
		end_command(e);
}

void execs_retry(struct api *api)
{
	for (size_t i = 0; i < EXECS_MAX; i++)
		if (api->execs->all[i].left)
			end_command(&api->execs->all[i]);
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
		if (!all->all[i].rq && !all->all[i].left)
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
