// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/programs/program_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#define BYTES_PER_S (UINT64_C(64) << 10)
#define BYTES_MOST  (UINT64_C(1) << 20)
#define READ_BYTES  8192
#define LAST_READS  16 /* of a pipe whose writer has ended: more than it holds */

/* "event=forbidden_call nr=257": root takes the number and nothing else. */
static void note_forbidden(struct program_log *l)
{
	const size_t head = sizeof(FILTER_SAYS) - 1;
	int number = 0;

	if (l->used <= head || memcmp(l->line, FILTER_SAYS, head) != 0)
		return;
	for (size_t i = head; i < l->used && i < head + 6; i++) {
		if (l->line[i] < '0' || l->line[i] > '9')
			break;
		number = number * 10 + (l->line[i] - '0');
	}
	l->forbidden = number;
}

static void end_line(struct program_log *l)
{
	must(l->used <= sizeof(l->line));
	if (l->used > 0 && !l->cut) {
		note_forbidden(l);
		log_forward(l->name, l->line, l->used);
	}
	l->used = 0;
}

static void take(struct program_log *l, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n') {
			end_line(l);
			l->cut = false;
		} else if (l->used < sizeof(l->line)) {
			l->line[l->used++] = bytes[i];
		} else {
			end_line(l);
			l->cut = true;
		}
	}
}

static void on_output(struct watch *w, uint32_t events)
{
	struct program_log *l = container_of(w, struct program_log, watch);
	char bytes[READ_BYTES];
	ssize_t n = read(w->fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* it closed both: its death is told elsewhere */
		loop_unwatch(l->loop, w);
		fd_close(&w->fd);
		return;
	}
	take(l, bytes, (size_t)n);
	if (allowance_take(&l->bytes, (uint64_t)n, clock_mono_ns()))
		return;
	loop_unwatch(l->loop, w);
	(void)loop_timer_at(l->loop, &l->again, clock_mono_ns() + allowance_wait_ns(&l->bytes));
}

static void on_again(struct timer *t)
{
	struct program_log *l = container_of(t, struct program_log, again);

	if (l->watch.fd >= 0 && loop_watch(l->loop, &l->watch, EPOLLIN) < 0)
		fd_close(&l->watch.fd); /* better no log than one that is never read */
}

int program_log_adopt(struct program_log *l, struct loop *loop, const char *name, int fd)
{
	int r;

	program_log_end(l);
	l->loop = loop;
	l->name = name;
	l->forbidden = -1;
	if (l->bytes.per_s == 0) /* a restart brings no new one */
		l->bytes = (struct allowance){.per_s = BYTES_PER_S, .most = BYTES_MOST};
	l->again.on_due = on_again;
	l->again.name = "program_log on_again";
	l->watch = (struct watch){.fd = fd, .on_ready = on_output, .name = "program_log on_output"};
	r = loop_watch(loop, &l->watch, EPOLLIN);
	if (r < 0)
		fd_close(&l->watch.fd);
	return r;
}

int program_log_open(struct program_log *l, struct loop *loop, const char *name, int *out_fd)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	r = program_log_adopt(l, loop, name, fds[0]);
	if (r < 0)
		fd_close(&fds[1]);
	else
		*out_fd = fds[1];
	return r;
}

void program_log_end(struct program_log *l)
{
	char bytes[READ_BYTES];
	ssize_t n = 1;

	if (!l->loop || l->watch.fd < 0)
		return;
	for (int i = 0; i < LAST_READS && n > 0; i++) {
		n = read(l->watch.fd, bytes, sizeof(bytes));
		if (n > 0)
			take(l, bytes, (size_t)n);
	}
	end_line(l);
	l->cut = false;
	loop_timer_off(l->loop, &l->again);
	loop_unwatch(l->loop, &l->watch);
	fd_close(&l->watch.fd);
}

int program_log_move_ours(int *out_fd)
{
	int log_fd;

#ifdef __SANITIZE_ADDRESS__
	return 0;
#endif
	log_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 16);
	if (log_fd < 0)
		return -errno;
	log_to(log_fd); /* to the end of the process */
	*out_fd = log_fd;
	return 0;
}

int program_log_keep_ours(int fd)
{
	if (fd < 0)
		return 0;
	log_to(fd);
	return dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 ? -errno : 0;
}

int program_log_hide_ours(struct program_log *strays, struct loop *loop)
{
	SCOPED_FD strays_fd = -1;
	int r;

#ifdef __SANITIZE_ADDRESS__
	return 0;
#endif
	r = program_log_open(strays, loop, "ebb-child", &strays_fd);
	if (r < 0)
		return r;
	return dup2(strays_fd, STDOUT_FILENO) < 0 || dup2(strays_fd, STDERR_FILENO) < 0 ? -errno
											: 0;
}
