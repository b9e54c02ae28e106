// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/keeper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"

#define AFRESH_AT  3 /* deaths in a row */
#define GIVE_UP_AT 6
#define WAIT_AT    5 /* no longer from there on */
/* The first ebbd after an upgrade: the binary before goes on when this one has crashed so often
 * before it served for a while, or is not ready in this time. */
#define BACK_AT  2
#define READY_NS (60 * NS_PER_SEC)

struct keeper {
	struct estate *estate;
	sigset_t signals; /* all it waits for */
	pid_t pid, self;  /* of ebbd; 0: none */
	uint64_t begun_ns;
	uint32_t deaths, crashes; /* soon, in a row */
	int stop_signal;          /* 0: it was not told to stop */
	bool on_trial;            /* after an upgrade, until an ebbd has served for a while */
};

struct keeper_plan keeper_plan(uint32_t deaths, uint32_t crashes)
{
	must(deaths > 0);
	return (struct keeper_plan){
		.give_up = crashes >= GIVE_UP_AT,
		.life = crashes >= AFRESH_AT ? KEEPER_AFRESH : KEEPER_ADOPT,
		/* At once for one that had worked: somebody waits. */
		.wait_ms = deaths == 1 ? 0 : 25u << (deaths < WAIT_AT ? deaths : WAIT_AT),
	};
}

/* In the child: it dies with its parent, also if that died meanwhile. A process group of its own: a
 * terminal's Ctrl-C is for the keeper, which passes it on once. */
static int become_ebbd(const struct keeper *k)
{
	sigset_t only_child;

	sigemptyset(&only_child);
	sigaddset(&only_child, SIGCHLD);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (getppid() != k->self)
		_exit(1); /* the keeper died meanwhile */
	(void)setpgid(0, 0);
	(void)prctl(PR_SET_NAME, "ebbd");
	/* Signals wait until it listens (ebbd_open_signals). */
	return sigprocmask(SIG_UNBLOCK, &only_child, NULL) < 0 ? -errno : 0;
}

/* 0 in the child, its pid in the parent, or -errno. */
static pid_t make_ebbd(struct keeper *k)
{
	struct estate_words *words = estate_words(k->estate);
	pid_t pid;

	atomic_store(&words->ready, 0);
	atomic_store(&words->stopping, 0);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0)
		return -errno;
	if (pid == 0)
		return become_ebbd(k);
	k->pid = pid;
	k->begun_ns = clock_mono_ns();
	if (k->stop_signal)
		(void)kill(pid, k->stop_signal);
	return pid;
}

/* Whether it is to have no successor: it ended as it was told to, or never came so far. */
static bool is_the_end(const struct keeper *k, int status, bool first)
{
	const struct estate_words *words = estate_words(k->estate);

	if (!WIFEXITED(status))
		return false;
	if (k->on_trial)
		return atomic_load(&words->stopping);
	return first || WEXITSTATUS(status) == 0 || atomic_load(&words->stopping);
}

static void pass_on(struct keeper *k, int signal)
{
	if (signal == SIGTERM || signal == SIGINT)
		k->stop_signal = signal;
	if (signal == SIGHUP)
		atomic_fetch_add(&estate_words(k->estate)->reloads_asked, 1);
	if (signal == SIGUSR2)
		atomic_fetch_add(&estate_words(k->estate)->upgrades_asked, 1);
	if (k->pid > 0)
		(void)kill(k->pid, signal);
}

/* Takes a signal, at the latest at this time (0: whenever one comes), and reaps. True when ebbd
 * ended, with its status. */
static bool wait_for_end(struct keeper *k, uint64_t until_ns, int *out_status)
{
	bool ended = false;
	int signal, status;
	pid_t pid;

	if (until_ns) {
		uint64_t now_ns = clock_mono_ns();
		uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
		const struct timespec left = {.tv_sec = (time_t)(left_ns / NS_PER_SEC),
					      .tv_nsec = (long)(left_ns % NS_PER_SEC)};

		signal = sigtimedwait(&k->signals, NULL, &left);
	} else {
		signal = sigwaitinfo(&k->signals, NULL);
	}
	if (signal > 0 && signal != SIGCHLD)
		pass_on(k, signal);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != k->pid)
			continue;
		k->pid = 0;
		*out_status = status;
		ended = true;
	}
	return ended;
}

static void pause_ms(struct keeper *k, uint32_t ms)
{
	uint64_t until_ns = clock_mono_ns() + ms * NS_PER_MS;
	int status;

	while (ms > 0 && clock_mono_ns() < until_ns)
		(void)wait_for_end(k, until_ns, &status);
}

/* Only if ebbd has asked for it. It ends by SIGKILL then, as no part of it is to be closed. */
static bool upgrade(struct keeper *k, const struct keeper_options *o)
{
	struct estate_words *words = estate_words(k->estate);

	if (!atomic_exchange(&words->upgrade, 0) || k->stop_signal)
		return false;
	log_info("event=upgrading");
	log_error("event=upgrade_failed cause=\"%s\"", strerror(-o->become_next(o->self)));
	atomic_store(&words->upgrade_fault, UPGRADE_NOT_RUN);
	return true;
}

/* The next image of this process gets the signal that this one has taken. */
static void go_back(struct keeper *k, const struct keeper_options *o, enum upgrade_fault fault)
{
	if (k->stop_signal)
		(void)kill(k->self, k->stop_signal);
	log_error("event=upgrade_failed cause=\"the new ebbd %s\"",
		  fault == UPGRADE_HANGS ? "was not ready in time" : "died again and again");
	log_error("event=cannot_go_back cause=\"%s\"", strerror(-o->go_back(o->self, fault)));
	k->on_trial = false;
}

/* Until it ended. True if it was ended here, as it never was ready. */
static bool attend(struct keeper *k, int *out_status)
{
	uint64_t until_ns = k->on_trial ? k->begun_ns + READY_NS : 0;
	bool hangs = false;

	while (!wait_for_end(k, until_ns, out_status)) {
		if (until_ns == 0 || clock_mono_ns() < until_ns)
			continue;
		until_ns = 0;
		hangs = !atomic_load(&estate_words(k->estate)->ready);
		if (hangs)
			(void)kill(k->pid, SIGKILL);
	}
	return hangs;
}

static struct keeper_plan after_death(struct keeper *k, int status)
{
	const struct estate_words *words = estate_words(k->estate);
	bool ready = atomic_load(&words->ready), lasted;
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	struct keeper_plan plan;

	lasted = ready && clock_mono_ns() - k->begun_ns >= KEEPER_SOON_NS;
	k->deaths = lasted || (killed && ready) ? 1 : k->deaths + 1;
	k->crashes = lasted ? !killed : k->crashes + !killed;
	k->on_trial = k->on_trial && !lasted;
	plan = keeper_plan(k->deaths, k->crashes);
	log_warn("event=ebbd_died signal=%d code=%d deaths=%u next=%s in_ms=%u",
		 WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		 WIFEXITED(status) ? WEXITSTATUS(status) : -1, k->deaths,
		 plan.give_up                ? "none"
		 : plan.life == KEEPER_ADOPT ? "adopts"
					     : "afresh",
		 plan.wait_ms);
	return plan;
}

static int begin(struct keeper *k)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};

	sigemptyset(&k->signals);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaddset(&k->signals, signals[i]);
	if (sigprocmask(SIG_BLOCK, &k->signals, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || prctl(PR_SET_NAME, "ebb-keeper") < 0)
		return -errno;
	return 0;
}

int keeper_begin(const struct keeper_options *o, enum keeper_life *life)
{
	struct keeper k = {.estate = o->estate, .self = getpid()};
	bool first = !o->follows, hangs;
	int status = 0, r = begin(&k);
	pid_t pid;

	if (r < 0)
		return r;
	*life = first ? KEEPER_FIRST : KEEPER_ADOPT;
	k.on_trial = o->follows && atomic_load(&estate_words(k.estate)->before_fd) >= 0;
	for (;; first = false) {
		struct keeper_plan plan;

		pid = make_ebbd(&k);
		if (pid <= 0)
			return pid;
		hangs = attend(&k, &status);
		if (upgrade(&k, o)) {
			*life = KEEPER_ADOPT;
			continue;
		}
		if (is_the_end(&k, status, first && !atomic_load(&estate_words(k.estate)->ready)))
			exit(WEXITSTATUS(status));
		plan = after_death(&k, status);
		if (k.on_trial && (hangs || k.crashes >= BACK_AT))
			go_back(&k, o, hangs ? UPGRADE_HANGS : UPGRADE_DIED);
		if (plan.give_up)
			exit(1);
		pause_ms(&k, plan.wait_ms);
		*life = plan.life;
	}
}
