// SPDX-License-Identifier: Apache-2.0
/*
 * The end of an instance, wanted or not: drain, thaw, SIGTERM, grace, cgroup.kill; then wait until
 * the cgroup is empty, read the last meters and remove everything.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/instance/deed.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/instance/metering.h"
#include "runtime/supervisor/instance/settle.h"
#include "runtime/supervisor/instance/stop.h"
#include "runtime/supervisor/instance/tell.h"

/* Looks whether the last process is gone: soon, then ever more rarely, because a task in an
 * uninterruptible sleep cannot be killed, and each look kills the whole cgroup again. */
#define LOOK_AGAIN_NS (2 * NS_PER_MS)
#define LOOK_MOST_NS  NS_PER_SEC
#define DRAIN_LOOK_NS (20 * NS_PER_MS)
#define FORBIDDEN     "made a system call that is not allowed (seccomp) and "

static struct loop *loop_of(struct instance *i)
{
	return i->ground->loop;
}

static void wait_for(struct instance *i, void (*on_due)(struct timer *t), uint64_t after_ns)
{
	i->timer.on_due = on_due;
	i->timer.name = "stop on_due";
	(void)loop_timer_at(loop_of(i), &i->timer, loop_now_ns(loop_of(i)) + after_ns);
}

static struct instance *of_timer(struct timer *t)
{
	return container_of(t, struct instance, timer);
}

/* ---- dying: from the death of PID 1 to nothing left ---- */

static uint64_t dying_gap_ns(const struct instance *i)
{
	uint64_t gap_ns = (loop_now_ns(i->ground->loop) - i->state_since_ns) / 8;

	if (gap_ns < LOOK_AGAIN_NS)
		return LOOK_AGAIN_NS;
	return gap_ns < LOOK_MOST_NS ? gap_ns : LOOK_MOST_NS;
}

static void on_dying_due(struct timer *t)
{
	struct instance *i = of_timer(t);

	must(i->state == INSTANCE_DYING);
	if (cgroup_populated(&i->cgroup) == 1) {
		(void)cgroup_kill(&i->cgroup);
		wait_for(i, on_dying_due, dying_gap_ns(i));
		return;
	}
	if (i->opened_ns && !settle_look(i)) {
		wait_for(i, on_dying_due, LOOK_AGAIN_NS);
		return;
	}
	if (i->opened_ns)
		meter_read(i, METER_AT_CLOSE);
	if (cgroup_remove(i->ground->tree, &i->cgroup) == -EBUSY) {
		wait_for(i, on_dying_due, dying_gap_ns(i));
		return;
	}
	(void)instance_move(i, INSTANCE_EMPTY);
}

void stop_let_go(struct instance *i)
{
	must(i->state == INSTANCE_DYING);
	(void)board_move(i->ground->board, i->slot, ~0u, BOARD_DEAD);
	loop_unwatch(loop_of(i), &i->control);
	loop_unwatch(loop_of(i), &i->death);
}

/* PID 1 is gone (or is being killed): nobody may use the instance, in any state. A second death is
 * refused by the table. */
static void begin_dying(struct instance *i)
{
	if (instance_move(i, INSTANCE_DEATH) < 0)
		return;
	if (i->cgroup.dir_fd < 0) { /* it never had a sandbox */
		(void)instance_move(i, INSTANCE_EMPTY);
		return;
	}
	(void)cgroup_thaw(&i->cgroup);
	(void)cgroup_kill(&i->cgroup);
	wait_for(i, on_dying_due, 0);
}

/* ---- news of ebb-init and the kernel ---- */

/* ELIBACC comes from sandbox/function.c. */
static const char *exec_words(int err)
{
	if (err == ELIBACC)
		return "it is there, but its loader or the interpreter of its first line is not in "
		       "the image (lines that end in CR LF do that, too)";
	if (err == ENOEXEC)
		return "it is neither a program for this machine nor a script that begins with #!";
	return strerror(err);
}

static void note_fault(struct instance *i, const struct sandbox_word *word)
{
	const char *step = sandbox_step_name(word->a);

	i->cause = WIRE_DOWN_FAILED_TO_START;
	i->detail = word->b;
	i->exit_known = true;
	if (word->a == SANDBOX_EXEC)
		(void)text_format(i->fault, sizeof(i->fault),
				  "the entrypoint '%s' cannot be executed: %s; check it with "
				  "`ebb inspect %s`",
				  i->spec->put.exec.argv, exec_words(word->b), i->spec->put.name);
	else
		(void)text_format(i->fault, sizeof(i->fault), "sandbox step %s failed: %s", step,
				  strerror(word->b));
}

static void note_exit(struct instance *i, const struct sandbox_word *word)
{
	if (i->exit_known)
		return; /* a fault before said more */
	i->exit_known = true;
	i->detail = word->b;
	i->cause = word->a == 0        ? WIRE_DOWN_EXITED
		   : word->b == SIGSYS ? WIRE_DOWN_SECCOMP
				       : WIRE_DOWN_SIGNALED;
	if (word->a == 0)
		(void)text_format(i->fault, sizeof(i->fault),
				  "the process exited with code %d; `ebb logs %s` has its output",
				  word->b, i->spec->put.name);
	else
		(void)text_format(i->fault, sizeof(i->fault),
				  "the process %swas killed by signal %d (%s)",
				  i->cause == WIRE_DOWN_SECCOMP ? FORBIDDEN : "", word->b,
				  strsignal(word->b));
}

static void read_control(struct instance *i)
{
	struct sandbox_word word;

	while (recv(i->armed.control_fd, &word, sizeof(word), MSG_DONTWAIT) ==
	       (ssize_t)sizeof(word)) {
		if (word.says == SANDBOX_SAYS_FAULT)
			note_fault(i, &word);
		else if (word.says == SANDBOX_SAYS_EXIT)
			note_exit(i, &word);
	}
}

static void name_the_cause(struct instance *i)
{
	uint64_t oom_kills = 0;

	if (i->unresponsive) {
		i->cause = WIRE_DOWN_UNRESPONSIVE;
		return;
	}
	if (i->stop_wanted && i->state == INSTANCE_STOPPING) {
		i->cause = WIRE_DOWN_STOPPED;
		i->fault[0] = '\0';
		if (i->outstayed)
			(void)text_format(i->fault, sizeof(i->fault),
					  "killed: it was still there %u ms after SIGTERM "
					  "(ebb.stopGrace)",
					  i->spec->put.stop_grace_ms);
		return;
	}
	if (cgroup_oom_kills(i->ground->tree, &i->cgroup, &oom_kills) == 0 && oom_kills > 0) {
		i->cause = WIRE_DOWN_OOM;
		(void)text_format(i->fault, sizeof(i->fault),
				  "out of memory: it needed more than its %u MB; raise `memory`",
				  i->spec->put.memory_mb);
	} else if (!i->exit_known) {
		i->cause = WIRE_DOWN_SIGNALED;
		i->detail = SIGKILL;
		(void)text_format(i->fault, sizeof(i->fault), "its PID 1 was killed");
	}
}

static void on_control(struct watch *w, uint32_t events)
{
	struct instance *i = container_of(w, struct instance, control);

	read_control(i);
	deed_write(i); /* nobody says it again */
	if (events & (EPOLLHUP | EPOLLRDHUP))
		loop_unwatch(loop_of(i), w); /* its death comes over the pidfd */
}

static void on_death(struct watch *w, uint32_t events)
{
	struct instance *i = container_of(w, struct instance, death);

	read_control(i);
	name_the_cause(i);
	begin_dying(i);
}

static int watch(struct instance *i, struct watch *w)
{
	int r = loop_watch(loop_of(i), w, EPOLLIN);

	if (r < 0)
		(void)text_format(i->fault, sizeof(i->fault), "cannot be watched: %s",
				  strerror(-r));
	return r;
}

int stop_watch_death(struct instance *i)
{
	must(i->armed.pid > 0 && i->death.fd < 0);
	i->death = (struct watch){
		.fd = i->armed.pid_fd, .on_ready = on_death, .name = "stop on_death"};
	return watch(i, &i->death);
}

int stop_watch(struct instance *i)
{
	must(i->state < INSTANCE_DYING && i->control.fd < 0);
	i->control = (struct watch){
		.fd = i->armed.control_fd, .on_ready = on_control, .name = "stop on_control"};
	return watch(i, &i->control);
}

bool stop_was_killed(const struct instance *i)
{
	return !i->was_ready && i->cause == WIRE_DOWN_SIGNALED && i->detail == SIGKILL;
}

void stop_kill(struct instance *i, uint32_t cause, const char *fault)
{
	i->cause = cause;
	if (fault)
		(void)text_copy(i->fault, sizeof(i->fault), fault);
	begin_dying(i);
}

/* ---- stopping on purpose ---- */

static void on_grace_over(struct timer *t)
{
	struct instance *i = of_timer(t);

	must(i->state == INSTANCE_STOPPING);
	i->outstayed = true;
	(void)cgroup_kill(&i->cgroup); /* works on frozen ones too; on_death goes on from here */
}

static void stop_terminate(struct instance *i)
{
	/* A frozen task would see SIGTERM only after its thaw. */
	(void)cgroup_thaw(&i->cgroup);
	if (instance_move(i, INSTANCE_TERMINATE) < 0)
		return;
	if (syscall(SYS_pidfd_send_signal, i->armed.pid_fd, SIGTERM, NULL, 0) < 0)
		(void)cgroup_kill(&i->cgroup);
	wait_for(i, on_grace_over, i->spec->put.stop_grace_ms * NS_PER_MS);
}

static void on_drain_due(struct timer *t)
{
	struct instance *i = of_timer(t);
	board_word w = board_load(i->ground->board, i->slot);

	must(i->state == INSTANCE_DRAINING && i->stop_wanted);
	if (loop_now_ns(loop_of(i)) >= i->deadline_ns) {
		/* A program that ends when its connections have would wait for WebSockets. */
		tell_drain(i, true);
		stop_terminate(i);
	} else if (board_tickets(w) + board_holds(w) == 0 && i->execs == 0 &&
		   loop_now_ns(loop_of(i)) >= i->repeat_until_ns) {
		stop_terminate(i);
	} else {
		wait_for(i, on_drain_due, DRAIN_LOOK_NS);
	}
}

/* Runs in a later turn of the loop: one turn may begin to drain thousands of instances. */
static void on_drain_begun(struct timer *t)
{
	(void)cgroup_thaw(&of_timer(t)->cgroup);
	on_drain_due(t);
}

void stop_drain(struct instance *i)
{
	if (i->stop_wanted || i->state == INSTANCE_DYING)
		return;
	i->stop_wanted = true;
	i->cause = WIRE_DOWN_STOPPED;
	if (i->state == INSTANCE_WAITING || i->state == INSTANCE_PREPARED) {
		begin_dying(i);
		return;
	}
	if (i->state == INSTANCE_STARTING) {
		stop_terminate(i);
		return;
	}
	(void)board_move(i->ground->board, i->slot, 1u << BOARD_RUNNING | 1u << BOARD_FROZEN,
			 BOARD_DRAINING);
	if (instance_move(i, INSTANCE_DRAIN) < 0)
		return;
	i->deadline_ns = loop_now_ns(loop_of(i)) + i->spec->put.max_duration_ms * NS_PER_MS;
	deed_write(i);
	wait_for(i, on_drain_begun, 0);
}

void stop_adopt(struct instance *i, enum instance_state was)
{
	must(i->state == INSTANCE_WAITING && !instance_is_up(i));
	if (was == INSTANCE_DRAINING || was == INSTANCE_STOPPING) {
		instance_stands(i, INSTANCE_DRAINING);
		i->stop_wanted = true;
		if (was == INSTANCE_STOPPING || i->deadline_ns == 0) /* SIGTERM comes again */
			i->deadline_ns = loop_now_ns(loop_of(i));
		(void)board_move(i->ground->board, i->slot, ~0u, BOARD_DRAINING);
		if (stop_watch_death(i) == 0 && stop_watch(i) == 0) {
			wait_for(i, on_drain_begun, 0);
			return;
		}
	} else if (was != INSTANCE_DYING) {
		i->stop_wanted = true;
		i->cause = WIRE_DOWN_STOPPED;
		(void)text_copy(i->fault, sizeof(i->fault),
				"ebbd died while it started; another one starts");
	}
	if (i->state == INSTANCE_WAITING)
		instance_stands(i, i->was_ready ? INSTANCE_DRAINING : INSTANCE_STARTING);
	begin_dying(i);
}

bool stop_unresponsive(struct instance *i)
{
	uint64_t deadline_ns = loop_now_ns(loop_of(i)) + i->spec->put.stop_grace_ms * NS_PER_MS;

	if (i->stop_wanted || !instance_is_up(i))
		return false;
	i->unresponsive = true;
	(void)text_format(
		i->fault, sizeof(i->fault),
		"a request went on after maxDuration (%u ms) although it was cancelled; it "
		"takes no more and is replaced",
		i->spec->put.max_duration_ms);
	instance_say(i, WIRE_EVENT_INSTANCE_UNRESPONSIVE, "%s", i->fault);
	stop_drain(i);
	if (i->deadline_ns > deadline_ns)
		i->deadline_ns = deadline_ns;
	deed_write(i);
	return true;
}
