// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/programs/daemon.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
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

static void on_death(struct watch *w, uint32_t events);
static void on_restart(struct timer *t);

static void reap(struct daemon *d, int *status)
{
	must(d->pid > 0);
	loop_unwatch(d->host->loop, &d->death);
	if (waitpid(d->pid, status, 0) < 0)
		*status = 0;
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
		kill(d->pid, SIGKILL);
		reap(d, &status);
	}
	program_log_end(&d->log);
}

/* The channel ended or the program broke a rule: without its channel it is of no use. */
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
	if (d->pid > 0 && !d->stopping)
		kill(d->pid, SIGKILL);
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
	d->fault[0] = '\0';
	d->death = (struct watch){.fd = d->pid_fd, .on_ready = on_death, .name = "daemon on_death"};
	r = loop_watch(d->host->loop, &d->death, EPOLLIN);
	if (r == 0)
		r = wire_link_open(&d->link, d->host->loop, keep_fd(&ours_fd));
	if (r < 0) {
		end_process(d);
		return r;
	}
	d->program.on_started(d);
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
				    .rules_network = program->rules_network,
				    .log_level = host->config->log_level};
	d->link = (struct wire_link){.name = d->name,
				     .rules = program->rules,
				     .rule_count = program->rule_count,
				     .self = d->self,
				     .lost = on_lost,
				     .ends_on_failure = true};
	d->pid_fd = d->log.watch.fd = -1;
	d->restart = (struct timer){.on_due = on_restart, .name = "daemon on_restart"};
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
static void say_death(struct daemon *d, pid_t pid, int status)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	char call[80] = "", text[256];

	if (d->last_signal == SIGSYS && d->log.forbidden >= 0)
		(void)text_format(call, sizeof(call), ": its filter forbids %s (call %d)",
				  filter_call_name(d->log.forbidden), d->log.forbidden);
	if (d->fault[0])
		(void)text_format(text, sizeof(text), "%s was ended by ebbd: %s", d->launch.name,
				  d->fault);
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
	pid_t pid = d->pid;
	int status = 0;

	reap(d, &status);
	program_log_end(&d->log);
	d->last_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (!d->stopping)
		say_death(d, pid, status);
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

void daemon_kill(struct daemon *d)
{
	d->stopping = true;
	if (!d->host) /* it was never started */
		return;
	loop_timer_off(d->host->loop, &d->restart);
	end_process(d);
}
