// SPDX-License-Identifier: Apache-2.0
/* exec: a command in an instance, with the streams and the exit code of this process. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/text_out.h"

#define FRAME_HEAD      8u
#define FRAME_BYTES_MAX 65536u
#define INPUT_BYTES     16384u
#define OUT_SMALL       1024u /* frames of signals and windows, behind one of input */
#define LEAVE_NS        NS_PER_SEC
#define LEAVE_LOOK_MS   100

/* docs/interface.md and runtime/api/exec.h describe the frames. */
struct session {
	struct call *call;
	struct conn *conn;
	const char *action;
	bool tty, input_open;
	int signals_fd, code;
	bool ended, resized;
	size_t out_at, out_end; /* bytes of `out` that the server has not taken yet */
	char out[FRAME_HEAD + INPUT_BYTES + OUT_SMALL];
	int leaving;       /* the signal that ends this command if the server does not take it; 0 */
	uint64_t leave_ns; /* when that is judged; CLOCK_MONOTONIC */
};

/* Never waits: while the server does not read, its output must be read, or both stand still. */
static int flush(struct session *s)
{
	while (s->out_at < s->out_end) {
		ssize_t n = send(s->conn->fd, s->out + s->out_at, s->out_end - s->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE) {
			/* The server takes no more; the end of the command is still to be read. */
			s->out_at = s->out_end;
			s->input_open = false;
			return 0;
		}
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		s->out_at += (size_t)n;
	}
	return 0;
}

static int send_frame(struct session *s, char kind, const void *bytes, size_t size)
{
	char head[FRAME_HEAD] = {kind, 0, 0, 0, 0, 0, (char)(size >> 8), (char)size};

	must(size <= INPUT_BYTES);
	if (s->out_at > 0) {
		memmove(s->out, s->out + s->out_at, s->out_end - s->out_at);
		s->out_end -= s->out_at;
		s->out_at = 0;
	}
	if (s->out_end + FRAME_HEAD + size > sizeof(s->out))
		return -ENOBUFS; /* a thousand signals, and a server that reads nothing */
	memcpy(s->out + s->out_end, head, FRAME_HEAD);
	if (size > 0)
		memcpy(s->out + s->out_end + FRAME_HEAD, bytes, size);
	s->out_end += FRAME_HEAD + size;
	return flush(s);
}

static bool window(struct winsize *w)
{
	return ioctl(STDIN_FILENO, TIOCGWINSZ, w) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, w) == 0;
}

static int send_window(struct session *s)
{
	struct winsize w;
	unsigned char bytes[4];

	s->resized = false;
	if (!s->tty || !window(&w))
		return 0;
	bytes[0] = (unsigned char)(w.ws_row >> 8);
	bytes[1] = (unsigned char)w.ws_row;
	bytes[2] = (unsigned char)(w.ws_col >> 8);
	bytes[3] = (unsigned char)w.ws_col;
	return send_frame(s, 'w', bytes, sizeof(bytes));
}

static int on_input(struct session *s)
{
	char bytes[INPUT_BYTES];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		s->input_open = false;
	return send_frame(s, 'i', bytes, n > 0 ? (size_t)n : 0);
}

static int on_signal(struct session *s)
{
	struct signalfd_siginfo info;
	unsigned char number;

	if (read(s->signals_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGWINCH) {
		s->resized = true;
		return 0;
	}
	number = (unsigned char)info.ssi_signo;
	if (number != SIGUSR1 && number != SIGUSR2 && !s->leaving) {
		s->leaving = number;
		s->leave_ns = clock_mono_ns() + LEAVE_NS;
	}
	return send_frame(s, 's', &number, 1);
}

/* A signal stands behind input that the server does not take, because the command does not read it.
 * The command then ends with the connection. */
static void judge_leaving(struct session *s)
{
	int untaken = 0;

	if (!s->leaving || clock_mono_ns() < s->leave_ns)
		return;
	if (s->out_at < s->out_end ||
	    (ioctl(s->conn->fd, SIOCOUTQ, &untaken) == 0 && untaken > 0)) {
		s->ended = true;
		s->code = 128 + s->leaving;
	}
	s->leaving = 0;
}

static uint32_t number_at(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int take_frame(struct session *s, char kind, const char *at, size_t size)
{
	char why[600];

	if (kind == 'o' || kind == 'e')
		return fd_write_all(kind == 'o' ? STDOUT_FILENO : STDERR_FILENO, at, size);
	s->ended = true;
	if (kind == 'x' && size == 8) {
		s->code = (int)number_at(at + 4) + (number_at(at) ? 128 : 0);
		return 0;
	}
	snprintf(why, sizeof(why), "%.*s", (int)size, at);
	s->code = CLI_FAILED;
	say_error(why, "ebb ps and ebb logs tell more", "cannot %s", s->action);
	return 0;
}

/* Takes all whole frames that are there; the rest moves to the front of the buffer. */
static int take_frames(struct session *s)
{
	struct conn *c = s->conn;
	int r = 0;

	while (r == 0 && !s->ended && c->end - c->at >= FRAME_HEAD) {
		const char *at = c->buf + c->at;
		uint32_t size = number_at(at + 4);

		if (size > FRAME_BYTES_MAX)
			return -EPROTO;
		if (c->end - c->at < FRAME_HEAD + size)
			break;
		c->at += FRAME_HEAD + size;
		r = take_frame(s, at[0], at + FRAME_HEAD, size);
	}
	memmove(c->buf, c->buf + c->at, c->end - c->at);
	c->end -= c->at;
	c->at = 0;
	return r;
}

static int on_bytes(struct session *s)
{
	struct conn *c = s->conn;
	ssize_t n = recv(c->fd, c->buf + c->end, sizeof(c->buf) - c->end, MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return n < 0 ? -errno : -EPROTO;
	c->end += (size_t)n;
	return take_frames(s);
}

static int talk(struct session *s)
{
	int r = take_frames(s);

	if (r == 0)
		r = send_window(s);
	while (r == 0 && !s->ended) {
		bool full = s->out_at < s->out_end;
		struct pollfd waits[] = {
			{.fd = s->conn->fd, .events = full ? POLLIN | POLLOUT : POLLIN},
			{.fd = s->signals_fd, .events = POLLIN},
			{.fd = s->input_open && !full ? STDIN_FILENO : -1, .events = POLLIN},
		};

		if (poll(waits, ARRAY_LEN(waits), s->leaving ? LEAVE_LOOK_MS : -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (waits[1].revents)
			r = on_signal(s);
		if (r == 0 && (waits[0].revents & POLLOUT))
			r = flush(s);
		if (r == 0 && s->resized && s->out_at == s->out_end)
			r = send_window(s);
		if (r == 0 && (waits[0].revents & ~POLLOUT))
			r = on_bytes(s);
		else if (r == 0 && waits[2].revents)
			r = on_input(s);
		judge_leaving(s);
	}
	return r;
}

static int take_signals(int *signals_fd)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		sigaddset(&set, taken[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	(void)signal(SIGPIPE, SIG_IGN);
	*signals_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *signals_fd < 0 ? -errno : 0;
}

/* Its pipes mean nothing to the next ebb-api or ebbd. */
static int say_cut(const struct session *s)
{
	say_error("the session ended with its connection, because ebb-api or ebbd was replaced or "
		  "died, and it cannot be taken up again",
		  "the command was ended; run it again", "cannot %s to its end", s->action);
	return CLI_FAILED;
}

/* In raw mode this terminal passes every key on; the terminal inside gives the keys
 * their meaning. */
static int run_session(struct session *s)
{
	struct termios saved, raw;
	bool is_raw = false;
	int r = take_signals(&s->signals_fd);

	if (r == 0 && s->tty && tcgetattr(STDIN_FILENO, &saved) == 0) {
		raw = saved;
		cfmakeraw(&raw);
		is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	}
	if (r == 0)
		r = talk(s);
	if (is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	fd_close(&s->signals_fd);
	if (r == -EPROTO || r == -ECONNRESET || r == -EPIPE)
		return say_cut(s);
	return r < 0 ? api_broken(s->call, s->action, r) : s->code;
}

static void write_body(const struct call *call, bool tty, struct json_out *o)
{
	struct winsize w;

	json_out_init(o);
	json_out_object(o, NULL);
	json_out_array(o, "command");
	for (unsigned int i = 1; args_word(&call->args, i); i++)
		json_out_string(o, NULL, args_word(&call->args, i));
	json_out_end_array(o);
	json_out_bool(o, "tty", tty);
	if (tty && window(&w)) {
		json_out_u64(o, "rows", w.ws_row);
		json_out_u64(o, "columns", w.ws_col);
	}
	json_out_end_object(o);
}

/* Sends the request. On CLI_DONE both sides send frames from now on. */
static int begin(struct session *s, const char *target, const struct json_out *body)
{
	struct conn_request request = {.method = "POST",
				       .target = target,
				       .upgrade = "ebb-exec",
				       .content_type = "application/json",
				       .body = body->text,
				       .body_size = body->length,
				       .body_fd = -1};
	int r = conn_open(s->call->socket, &s->conn);

	if (r < 0)
		return api_no_server(s->call, r);
	r = conn_send(s->conn, &request);
	if (r == 0)
		r = conn_head(s->conn);
	if (r < 0)
		return api_broken(s->call, s->action, r);
	return s->conn->status == 101 ? CLI_DONE : api_refused_conn(s->call, s->action, s->conn);
}

int verb_exec(struct call *call)
{
	const char *id = args_word(&call->args, 0);
	char target[1100], action[160];
	struct session s = {.call = call,
			    .action = action,
			    .tty = args_given(&call->args, "tty"),
			    .input_open = true,
			    .signals_fd = -1};
	struct json_out body;
	int r = api_target(target, sizeof(target), "/v1/instances/", id, "/exec");

	if (r != CLI_DONE)
		return r;
	snprintf(action, sizeof(action), "run a command in %.100s", id);
	write_body(call, s.tty, &body);
	r = begin(&s, target, &body);
	json_out_fini(&body);
	if (r == CLI_DONE)
		r = run_session(&s);
	conn_free(s.conn);
	return r;
}
