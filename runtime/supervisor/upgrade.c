// SPDX-License-Identifier: Apache-2.0
/*
 * An upgrade in place: the binary that stands in the place of this one is asked whether it can take
 * over. If it can, ebbd ends, its keeper becomes the new binary, and the new ebbd takes over as
 * after any death (docs/notes/0100-upgrade.md). If not, nothing has happened.
 */
#include "runtime/supervisor/ebbd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/prepare.h"
#include "runtime/wire/version.h"

#define ANSWER_NS   (10 * NS_PER_SEC)
#define PROMISE_NS  (2 * NS_PER_SEC) /* for ebb-api to have told its client */
#define VERSION_MAX 31               /* characters */

/* The question has its answer. An ebbd that dies before leaves the question to the next one. */
static void conclude(struct ebbd *e)
{
	struct estate_words *words = estate_words(e->heritage.estate);

	atomic_store(&words->upgrades_done, e->upgrade.asked);
}

static bool is_asked(const struct ebbd *e)
{
	const struct estate_words *words = estate_words(e->heritage.estate);

	return atomic_load(&words->upgrades_done) != atomic_load(&words->upgrades_asked);
}

/* ebb-api hears the answer as well, if it has asked. */
static void refuse(struct ebbd *e, enum wire_upgrade how, int error, const char *why)
{
	char quoted[2 * ERROR_TEXT_SIZE];

	apilink_upgrade_said(e->api, error, why);
	if (how != WIRE_UPGRADE_ASK)
		conclude(e);
	if (how != WIRE_UPGRADE_GO)
		return;
	log_error("event=upgrade_refused cause=%s", log_quote(quoted, sizeof(quoted), why));
	e->host.say(e->host.self, WIRE_EVENT_UPGRADE_REFUSED, why);
}

/* In the child, which has no memory of the estate. Signals are as a program expects them. */
static void ask(const struct ebbd *e, int binary_fd, int said_fd)
{
	const char *const argv[] = {"ebbd", HERITAGE_QUESTION, NULL};
	int fd = estate_memory(e->heritage.estate);
	char number[16];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)text_format(number, sizeof(number), "%d", fd);
	if (dup2(said_fd, STDOUT_FILENO) >= 0 && fcntl(fd, F_SETFD, 0) == 0 &&
	    setenv(HERITAGE_VARIABLE, number, 1) == 0)
		(void)execveat(binary_fd, "", (char *const *)(uintptr_t)argv, environ,
			       AT_EMPTY_PATH);
	_exit(errno == ENOENT ? 127 : 126);
}

static void forget(struct ebbd *e)
{
	struct upgrade *u = &e->upgrade;

	loop_timer_off(e->loop, &u->deadline);
	loop_unwatch(e->loop, &u->answer);
	fd_close(&u->answer.fd);
	fd_close(&u->said_fd);
	u->pid = 0;
}

static void forget_binary(struct ebbd *e)
{
	int fd = atomic_exchange(&estate_words(e->heritage.estate)->next_fd, -1);

	fd_close(&fd);
}

/* All that is to go on is in the estate at each moment, as it is for a death. */
static void give_way(struct ebbd *e, const char *version)
{
	struct estate_words *words = estate_words(e->heritage.estate);

	log_info("event=gives_way to=%s version=%s", e->binary, version);
	atomic_store(&words->upgrade,
		     1); /* before the question is no more: a death loses neither */
	conclude(e);
	(void)kill(getpid(), SIGKILL);
}

/* Its version, as it says itself: at most a word of harmless characters. */
static void read_version(int said_fd, char version[VERSION_MAX + 1])
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   ".+~-";
	ssize_t size = read(said_fd, version, VERSION_MAX);

	version[size > 0 ? size : 0] = '\0';
	version[strspn(version, good)] = '\0';
}

static void on_promise(struct timer *t)
{
	struct ebbd *e = container_of(t, struct ebbd, upgrade.promise);

	ebbd_upgrade(e);
}

/* The client of ebb-api has its answer before anything happens. The promise is kept in any case:
 * if ebbd dies, the next one finds a question without an answer. */
static void await_go(struct ebbd *e)
{
	struct timer *t = &e->upgrade.promise;

	*t = (struct timer){.on_due = on_promise, .name = "upgrade on_promise"};
	if (loop_timer_at(e->loop, t, clock_mono_ns() + PROMISE_NS) < 0)
		on_promise(t);
}

static void judge(struct ebbd *e, int status, const char *version)
{
	const struct upgrade *u = &e->upgrade;
	char why[ERROR_TEXT_SIZE];

	if (WIFEXITED(status) && WEXITSTATUS(status) == HERITAGE_CAN_FOLLOW) {
		apilink_upgrade_said(e->api, 0, version);
		if (u->how == WIRE_UPGRADE_GO)
			give_way(e, version);
		forget_binary(e);
		if (u->how == WIRE_UPGRADE_PROMISE)
			await_go(e);
		return;
	}
	forget_binary(e);
	if (WIFEXITED(status) && WEXITSTATUS(status) == HERITAGE_OTHER_RECORDS)
		(void)text_format(why, sizeof(why),
				  "%s%s%s has other records than " EBB_VERSION
				  ", which runs: it needs a restart of ebbd",
				  e->binary, *version ? " " : "", version);
	else
		(void)text_format(why, sizeof(why), "%s is no ebbd that can take over (%s %d)",
				  e->binary, WIFEXITED(status) ? "code" : "signal",
				  WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	refuse(e, u->how, -EPERM, why);
}

static void on_answer(struct watch *w, uint32_t events)
{
	struct ebbd *e = container_of(w, struct ebbd, upgrade.answer);
	char version[VERSION_MAX + 1];
	int status = 0;

	if (waitpid(e->upgrade.pid, &status, 0) < 0)
		status = 0xff00;
	read_version(e->upgrade.said_fd, version);
	forget(e);
	if (e->stopping)
		forget_binary(e);
	else
		judge(e, status, version);
	if (is_asked(e) && !timer_is_armed(&e->upgrade.promise))
		ebbd_upgrade(e); /* it came while the answer was awaited */
}

static void on_deadline(struct timer *t)
{
	struct ebbd *e = container_of(t, struct ebbd, upgrade.deadline);

	(void)kill(e->upgrade.pid, SIGKILL);
}

static int open_files(struct ebbd *e, int *out_say_fd)
{
	struct estate_words *words = estate_words(e->heritage.estate);
	int binary_fd = open(e->binary, O_RDONLY | O_CLOEXEC), pipe_fds[2];

	if (binary_fd < 0)
		return -errno;
	atomic_store(&words->next_fd, binary_fd);
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	e->upgrade.said_fd = pipe_fds[0];
	*out_say_fd = pipe_fds[1];
	return 0;
}

static int watch(struct ebbd *e)
{
	struct upgrade *u = &e->upgrade;
	int r;

	u->deadline = (struct timer){.on_due = on_deadline, .name = "upgrade on_deadline"};
	u->answer = (struct watch){
		.fd = pidfd_open(u->pid, 0), .on_ready = on_answer, .name = "upgrade on_answer"};
	r = u->answer.fd < 0 ? -errno : loop_watch(e->loop, &u->answer, EPOLLIN);
	return r < 0 ? r : loop_timer_at(e->loop, &u->deadline, clock_mono_ns() + ANSWER_NS);
}

static int begin(struct ebbd *e)
{
	struct upgrade *u = &e->upgrade;
	SCOPED_FD say_fd = -1;
	int binary_fd, r;

	u->said_fd = -1;
	r = open_files(e, &say_fd);
	if (r < 0)
		return r;
	binary_fd = atomic_load(&estate_words(e->heritage.estate)->next_fd);
	u->pid = fork();
	if (u->pid < 0)
		return -errno;
	if (u->pid == 0)
		ask(e, binary_fd, say_fd);
	r = watch(e);
	if (r == 0)
		return 0;
	(void)kill(u->pid, SIGKILL);
	(void)waitpid(u->pid, NULL, 0);
	forget(e);
	return r;
}

static void ask_next(struct ebbd *e, enum wire_upgrade how)
{
	const char *place = e->reload.asked.libexec_dir, *missing = host_missing_program(place);
	char why[ERROR_TEXT_SIZE];
	int r;

	must(e->upgrade.pid == 0);
	e->upgrade.asked = atomic_load(&estate_words(e->heritage.estate)->upgrades_asked);
	if (missing) {
		(void)text_format(why, sizeof(why), "%s is not in %s", missing, place);
		refuse(e, how, -EPERM, why);
		return;
	}
	if (e->config.gateways > GATEWAYS_PAIRED) {
		(void)text_format(why, sizeof(why),
				  "an upgrade in place replaces at most %d gateways, and %u run: "
				  "set gateways to %d, or restart ebbd",
				  GATEWAYS_PAIRED, (unsigned int)e->config.gateways,
				  GATEWAYS_PAIRED);
		refuse(e, how, -EPERM, why);
		return;
	}
	e->upgrade.how = how;
	if (how == WIRE_UPGRADE_GO)
		log_info("event=upgrade_asked binary=%s", e->binary);
	r = begin(e);
	if (r == 0)
		return;
	e->upgrade.pid = 0;
	fd_close(&e->upgrade.said_fd);
	forget_binary(e);
	(void)text_format(why, sizeof(why), "cannot ask %s: %s", e->binary, strerror(-r));
	refuse(e, how, -EPERM, why);
}

/* Of one that comes while another is answered, the next ebbd hears. */
void ebbd_upgrade(struct ebbd *e)
{
	struct upgrade *u = &e->upgrade;

	if (e->stopping || !e->told_ready) /* else once it is ready */
		return;
	loop_timer_off(e->loop, &u->promise);
	if (u->pid > 0)
		u->how = WIRE_UPGRADE_GO;
	else
		ask_next(e, WIRE_UPGRADE_GO);
}

void ebbd_on_upgrade(void *self, enum wire_upgrade how)
{
	struct ebbd *e = self;

	if (e->stopping || !e->told_ready) {
		apilink_upgrade_said(e->api, -EPERM, "ebb is starting or stopping");
		return;
	}
	if (e->upgrade.pid > 0 || (how != WIRE_UPGRADE_GO && is_asked(e))) {
		apilink_upgrade_said(e->api, -EAGAIN, "another upgrade is under way");
		return;
	}
	if (how != WIRE_UPGRADE_ASK && !is_asked(e))
		atomic_fetch_add(&estate_words(e->heritage.estate)->upgrades_asked, 1);
	loop_timer_off(e->loop, &e->upgrade.promise);
	ask_next(e, how);
}
