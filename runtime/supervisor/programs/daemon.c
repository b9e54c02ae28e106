// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/programs/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/wire/records.h"

#define RESTART_FIRST_NS (50 * NS_PER_MS)
#define LIVED_WELL_NS    (10 * NS_PER_SEC)
#define LAST_WORDS_NS    NS_PER_SEC

static void on_death(struct watch *w, uint32_t events);
static void on_restart(struct timer *t);
static void on_parting(struct timer *t);

#define END_MS   5000              /* a killed program is gone by then */
#define ASKED_NS (100 * NS_PER_MS) /* for all programs that are asked to end, before SIGKILL */

/* ---- its row, for the next ebbd ---- */

static void note(struct daemon *d)
{
	struct estate *estate = d->host->estate;
	struct estate_program row = {.pid = d->pid,
				     .phase = d->link.phase,
				     .upgrade = d->upgrade,
				     .process = estate_fd_of(d->pid_fd),
				     .control = estate_fd_of(d->link.watch.fd),
				     .log = estate_fd_of(d->log.watch.fd)};
	int index = d->has_row ? (int)d->row : estate_find_free(estate, ESTATE_PROGRAMS);

	(void)text_copy(row.name, sizeof(row.name), d->name);
	must(index >= 0); /* there is one for each that can be */
	d->row = (uint32_t)index;
	d->has_row = true;
	estate_write(estate, ESTATE_PROGRAMS, d->row, &row);
}

static void unnote(struct daemon *d)
{
	if (d->has_row)
		estate_clear(d->host->estate, ESTATE_PROGRAMS, d->row);
	d->has_row = false;
}

void daemon_phase(struct daemon *d, uint32_t phase)
{
	d->link.phase = phase;
	if (d->has_row)
		note(d);
}

static const struct estate_program *program_at(const struct estate *estate, uint32_t index)
{
	return estate_read(estate, ESTATE_PROGRAMS, index);
}

static const struct estate_program *row_of(const struct estate *estate, const char *name,
					   uint32_t *out_index)
{
	for (uint32_t i = 0; i < estate_count(estate, ESTATE_PROGRAMS); i++) {
		const struct estate_program *row = program_at(estate, i);

		if (row && strcmp(row->name, name) == 0) {
			*out_index = i;
			return row;
		}
	}
	return NULL;
}

bool programs_has(const struct estate *estate, const char *name)
{
	uint32_t index;

	return row_of(estate, name, &index);
}

static bool await_end(int pid_fd)
{
	struct pollfd end = {.fd = pid_fd, .events = POLLIN};

	return poll(&end, 1, END_MS) == 1;
}

/* Its descriptors are closed, and it is gone. */
static void end_row(struct estate *estate, uint32_t index)
{
	struct estate_program row = *program_at(estate, index);
	int control_fd = estate_fd_get(&row.control), log_fd = estate_fd_get(&row.log);
	int pid_fd = estate_fd_get(&row.process);

	estate_clear(estate, ESTATE_PROGRAMS, index);
	if (pid_fd >= 0 && pidfd_send_signal(pid_fd, SIGKILL, NULL, 0) == 0)
		(void)await_end(pid_fd);
	fd_close(&control_fd);
	fd_close(&log_fd);
	fd_close(&pid_fd);
}

/* Those whose instances' requests are in flight. */
static bool is_taken_over(const struct estate_program *row)
{
	return strncmp(row->name, "ebb-gateway", 11) == 0;
}

/* ebb-api ends between two pieces of its work, with the lines that it has read. The others keep
 * nothing that a kill loses, and an ebb-net that is asked takes the network of instances down. */
static bool is_asked(const struct estate_program *row)
{
	return row && strcmp(row->name, "ebb-api") == 0;
}

static void ask_to_end(const struct estate_program *row)
{
	int control_fd = estate_fd_get(&row->control);

	if (control_fd >= 0)
		(void)shutdown(control_fd, SHUT_RDWR);
}

static void await_ends(const struct estate *estate)
{
	uint64_t until_ns = clock_mono_ns() + ASKED_NS;

	for (uint32_t i = 0; i < estate_count(estate, ESTATE_PROGRAMS); i++) {
		const struct estate_program *row = program_at(estate, i);
		struct pollfd end = {.events = POLLIN};
		uint64_t now_ns = clock_mono_ns();

		if (!is_asked(row) || now_ns >= until_ns)
			continue;
		end.fd = estate_fd_get(&row->process);
		(void)poll(&end, 1, (int)((until_ns - now_ns) / NS_PER_MS));
	}
}

void programs_end(struct estate *estate, bool all)
{
	for (uint32_t i = 0; i < estate_count(estate, ESTATE_PROGRAMS); i++)
		if (is_asked(program_at(estate, i)))
			ask_to_end(program_at(estate, i));
	await_ends(estate);
	for (uint32_t i = 0; i < estate_count(estate, ESTATE_PROGRAMS); i++)
		if (program_at(estate, i) && (all || !is_taken_over(program_at(estate, i))))
			end_row(estate, i);
}

void programs_each_fd(const struct estate *estate, void (*fn)(void *ctx, int fd), void *ctx)
{
	for (uint32_t i = 0; i < estate_count(estate, ESTATE_PROGRAMS); i++) {
		const struct estate_program *row = program_at(estate, i);

		if (!row)
			continue;
		fn(ctx, estate_fd_get(&row->process));
		fn(ctx, estate_fd_get(&row->control));
		fn(ctx, estate_fd_get(&row->log));
	}
}

/* ---- its end ---- */

static void reap(struct daemon *d, int *status)
{
	must(d->pid > 0);
	unnote(d);
	loop_unwatch(d->host->loop, &d->death);
	loop_timer_off(d->host->loop, &d->parting);
	*status = 0;
	if (d->adopted)
		(void)await_end(d->pid_fd);
	else if (waitpid(d->pid, status, 0) < 0)
		*status = 0;
	d->adopted = false;
	fd_close(&d->pid_fd);
	d->death.fd = -1;
	d->pid = 0;
}

/* Kills and reaps what runs, without a word. */
static void end_process(struct daemon *d)
{
	int status;

	wire_link_close(&d->link);
	if (d->pid > 0) {
		(void)pidfd_send_signal(d->pid_fd, SIGKILL, NULL, 0);
		reap(d, &status);
	}
	program_log_end(&d->log);
}

/* The program broke a rule, or its channel ended: without its channel it is of no use. A program
 * that meets an error closes its channel before it has said the cause, so it gets some time for
 * that. */
static void on_lost(struct wire_link *link, int error)
{
	struct daemon *d = container_of(link, struct daemon, link);

	if (error == -EPROTO)
		(void)text_format(d->fault, sizeof(d->fault),
				  "it sent a record that no rule allows (%s)",
				  wire_type_name(link->last_type));
	else if (error < 0)
		(void)text_format(d->fault, sizeof(d->fault), "%s",
				  error == -EBADMSG ? "it sent what is no record"
						    : strerror(-error));
	if (error < 0)
		log_error("event=peer_ended program=%s pid=%d cause=\"%s\"", link->name, d->pid,
			  d->fault);
	if (d->pid <= 0 || d->stopping)
		return;
	if (error < 0)
		(void)pidfd_send_signal(d->pid_fd, SIGKILL, NULL, 0);
	else
		(void)loop_timer_at(d->host->loop, &d->parting, clock_mono_ns() + LAST_WORDS_NS);
}

static void on_parting(struct timer *t)
{
	struct daemon *d = container_of(t, struct daemon, parting);

	must(d->pid > 0 && !daemon_talks(d));
	(void)pidfd_send_signal(d->pid_fd, SIGKILL, NULL, 0);
}

static int start(struct daemon *d)
{
	SCOPED_FD ours_fd = -1, theirs_fd = -1, extra_fd = -1, log_fd = -1;
	const char *step = "PREPARE";
	int r = wire_pair(&ours_fd, &theirs_fd);

	if (r == 0)
		r = program_log_open(&d->log, d->host->loop, d->launch.name, &log_fd);
	if (r == 0 && d->program.prepare)
		r = d->program.prepare(d, &extra_fd);
	d->launch.control_fd = theirs_fd;
	d->launch.extra_fd = extra_fd;
	d->launch.log_fd = log_fd;
	if (r == 0)
		r = launch_program(&d->launch, &d->pid, &d->pid_fd, &step);
	if (r < 0) {
		log_error("event=launch_failed program=%s step=%s cause=\"%s\"", d->launch.name,
			  step, strerror(-r));
		return r;
	}
	d->started_ns = clock_mono_ns();
	d->upgrade = atomic_load(&estate_words(d->host->estate)->upgrades);
	d->fault[0] = '\0';
	d->death = (struct watch){.fd = d->pid_fd, .on_ready = on_death, .name = "daemon on_death"};
	r = loop_watch(d->host->loop, &d->death, EPOLLIN);
	if (r == 0)
		r = wire_link_open(&d->link, d->host->loop, keep_fd(&ours_fd));
	if (r < 0) {
		end_process(d);
		return r;
	}
	note(d);
	d->program.on_started(d);
	return 0;
}

static int watch_adopted(struct daemon *d, const struct estate_program *row)
{
	int control_fd = estate_fd_get(&row->control), log_fd = estate_fd_get(&row->log), r;

	if (control_fd < 0 || d->pid_fd < 0)
		return -ENOENT;
	d->death = (struct watch){.fd = d->pid_fd, .on_ready = on_death, .name = "daemon on_death"};
	r = loop_watch(d->host->loop, &d->death, EPOLLIN);
	if (r == 0)
		r = wire_link_open(&d->link, d->host->loop, control_fd);
	if (r == 0 && log_fd >= 0)
		r = program_log_adopt(&d->log, d->host->loop, d->launch.name, log_fd);
	return r;
}

/* 0, or -ENOENT: there is none, or none that could be talked to. */
static int adopt(struct daemon *d)
{
	struct estate *estate = d->host->estate;
	uint32_t index = 0;
	const struct estate_program *row = row_of(estate, d->name, &index);

	if (!row || !d->program.on_adopted)
		return -ENOENT;
	if (row->phase == 0) { /* it has heard nothing yet */
		end_row(estate, index);
		return -ENOENT;
	}
	d->pid = row->pid;
	d->pid_fd = estate_fd_get(&row->process);
	d->row = index;
	d->has_row = d->adopted = true;
	d->link.phase = row->phase;
	d->upgrade = row->upgrade;
	d->started_ns = clock_mono_ns();
	if (watch_adopted(d, row) < 0) {
		loop_unwatch(d->host->loop, &d->death);
		wire_link_close(&d->link);
		program_log_end(&d->log);
		d->has_row = d->adopted = false;
		d->pid = 0;
		d->pid_fd = -1;
		end_row(estate, index);
		return -ENOENT;
	}
	log_info("event=program_adopted program=%s pid=%d", d->launch.name, d->pid);
	d->program.on_adopted(d);
	return 0;
}

int daemon_start(struct daemon *d, const struct program *program, const struct program_host *host,
		 struct fault *f)
{
	int r;

	must(program->on_started && program->on_ended && program->rules);
	d->program = *program;
	d->host = host;
	if (!d->name)
		d->name = program->file;
	(void)text_format(d->binary, sizeof(d->binary), "%s/%s", host->config->libexec_dir,
			  program->file);
	d->launch = (struct launch){.name = d->name,
				    .binary = d->binary,
				    .stage_dir = host->stage_dir,
				    .root_dir = d->root_dir,
				    .uid = (uint32_t)host->config->id_base + program->uid,
				    .rules_network = program->rules_network};
	d->link = (struct wire_link){.name = d->name,
				     .rules = program->rules,
				     .rule_count = program->rule_count,
				     .self = d->self,
				     .lost = on_lost,
				     .ends_on_failure = true};
	d->pid_fd = d->log.watch.fd = -1;
	d->restart = (struct timer){.on_due = on_restart, .name = "daemon on_restart"};
	d->parting = (struct timer){.on_due = on_parting, .name = "daemon on_parting"};
	r = adopt(d);
	if (r == -ENOENT)
		r = start(d);
	return r < 0 ? fault_errno(f, r, "cannot start %s", d->binary) : 0;
}

void daemon_send(struct daemon *d, uint32_t type, const void *record, size_t size, const int *fds,
		 unsigned int fd_count)
{
	(void)wire_link_send(&d->link, type, record, size, fds, fd_count);
}

bool daemon_talks(const struct daemon *d)
{
	return wire_link_is_open(&d->link);
}

static void plan_restart(struct daemon *d)
{
	uint32_t shift = d->failures < 8 ? d->failures : 8;

	must(d->pid == 0 && !d->stopping && !daemon_talks(d));
	d->failures++;
	log_info("event=restart_planned program=%s in_ms=%llu", d->launch.name,
		 (unsigned long long)((RESTART_FIRST_NS << shift) / NS_PER_MS));
	(void)loop_timer_at(d->host->loop, &d->restart,
			    clock_mono_ns() + (RESTART_FIRST_NS << shift));
}

static void on_restart(struct timer *t)
{
	struct daemon *d = container_of(t, struct daemon, restart);

	if (!d->stopping && start(d) < 0)
		plan_restart(d);
}

/* Names the cause of its death in the log and in an event. */
static void say_death(struct daemon *d, pid_t pid, int status, bool adopted)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	char call[80] = "", text[256];

	if (d->last_signal == SIGSYS && d->log.forbidden >= 0)
		(void)text_format(call, sizeof(call), ": its filter forbids %s (call %d)",
				  filter_call_name(d->log.forbidden), d->log.forbidden);
	if (d->fault[0])
		(void)text_format(text, sizeof(text), "%s was ended by ebbd: %s", d->launch.name,
				  d->fault);
	else if (adopted) /* its parent has its status */
		(void)text_format(text, sizeof(text), "%s ended", d->launch.name);
	else if (d->last_signal)
		(void)text_format(text, sizeof(text), "%s was ended by SIG%s%s", d->launch.name,
				  sigabbrev_np(d->last_signal) ? sigabbrev_np(d->last_signal) : "?",
				  call);
	else
		(void)text_format(text, sizeof(text), "%s ended with code %d", d->launch.name,
				  code);
	log_warn("event=program_died program=%s pid=%d code=%d signal=%d text=\"%s\"",
		 d->launch.name, pid, code, d->last_signal, text);
	if (d->host->say)
		d->host->say(d->host->self, WIRE_EVENT_PROGRAM_DIED, text);
}

static void on_death(struct watch *w, uint32_t events)
{
	struct daemon *d = container_of(w, struct daemon, death);
	bool adopted = d->adopted;
	pid_t pid = d->pid;
	int status = 0;

	reap(d, &status);
	program_log_end(&d->log);
	d->last_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (!d->stopping)
		say_death(d, pid, status, adopted);
	wire_link_close(&d->link);
	if (clock_mono_ns() - d->started_ns > LIVED_WELL_NS)
		d->failures = 0;
	d->program.on_ended(d);
	if (!d->stopping)
		plan_restart(d);
}

void daemon_stop(struct daemon *d)
{
	d->stopping = true;
	loop_timer_off(d->host->loop, &d->restart);
	if (d->pid == 0)
		d->program.on_ended(d);
}

bool daemon_runs(const struct daemon *d)
{
	return d->pid > 0;
}

bool daemon_is_wanted(const struct daemon *d)
{
	return d->pid > 0 || heap_has(&d->restart.item);
}

void daemon_kill(struct daemon *d)
{
	d->stopping = true;
	if (!d->host) /* it was never started */
		return;
	loop_timer_off(d->host->loop, &d->restart);
	end_process(d);
}
