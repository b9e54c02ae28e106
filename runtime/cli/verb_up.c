// SPDX-License-Identifier: Apache-2.0
/*
 * up: keeps a deployment as one foreground process, so that any process manager can run it. Logs go
 * to standard output. On SIGHUP it reads the file again and applies it; on SIGTERM and SIGINT it
 * removes the services and exits with 0. It tells readiness as sd_notify(3) does.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/followers.h"
#include "runtime/cli/signals.h"
#include "runtime/cli/text_out.h"

#define SERVER_AWAY_NS (60 * NS_PER_SEC)

struct attached {
	struct call *call;
	const char *file;
	struct deployment deployment;
	struct followers *followers;
	int signals_fd;
};

/* Sends one datagram to NOTIFY_SOCKET (sd_notify(3)). It is no error if nobody listens there. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED_FD fd = -1;
	socklen_t size;

	if (!path || !*path || text_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return;
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
		say_note("ebb: NOTIFY_SOCKET: %s", strerror(errno));
}

static bool deployed(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->count; i++)
		if (strcmp(spec->services[i].name, name) == 0)
			return true;
	return false;
}

/* Removes the services that the new file does not name any more. */
static void remove_missing(const struct attached *a, const struct deployment *old)
{
	for (size_t i = 0; i < old->spec->count; i++) {
		struct spec gone = {.count = 1, .services = {old->spec->services[i]}};
		struct deployment one = {.file = a->file, .spec = &gone};

		if (!deployed(a->deployment.spec, old->spec->services[i].name))
			deployment_remove(a->call, &one);
	}
}

/* On SIGHUP: applies the file again. A file that is wrong changes nothing: the services go on. */
static void apply_again(struct attached *a)
{
	struct deploy_how how = {.wait = true};
	struct deployment fresh, old = a->deployment;

	if (deployment_read(a->file, &fresh) != CLI_DONE) {
		say_note("ebb: the earlier deployment goes on");
		return;
	}
	a->deployment = fresh;
	if (deployment_apply(a->call, &a->deployment, &how) == CLI_DONE)
		remove_missing(a, &old);
	deployment_fini(&old);
	if (followers_set(a->followers, a->deployment.spec) != CLI_DONE)
		say_note("ebb: out of memory for logs");
}

/* Takes one signal. Returns 1 to end, 0 to go on. */
static int take_signal(struct attached *a)
{
	struct signalfd_siginfo info;

	if (read(a->signals_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGHUP)
		return 1;
	apply_again(a);
	return 0;
}

static int loop(struct attached *a)
{
	struct pollfd waits[FOLLOWERS_MAX + 1];

	for (;;) {
		int timeout_ms = followers_open(a->followers);
		uint64_t away_ns = followers_away_since_ns(a->followers);
		size_t n = followers_waits(a->followers, waits);

		if (away_ns && clock_mono_ns() - away_ns > SERVER_AWAY_NS)
			return api_no_server(a->call, -ECONNREFUSED);
		waits[n] = (struct pollfd){.fd = a->signals_fd, .events = POLLIN};
		if (poll(waits, n + 1, timeout_ms) < 0 && errno != EINTR)
			return CLI_FAILED;
		followers_take(a->followers, waits);
		if (waits[n].revents && take_signal(a))
			return CLI_DONE;
	}
}

static int attach(struct attached *a)
{
	int r = followers_set(a->followers, a->deployment.spec), removed;

	if (r == CLI_DONE) {
		notify("READY=1\n");
		say_note("ebb: up; SIGHUP applies %s again, SIGTERM removes the services", a->file);
		r = loop(a);
	}
	notify("STOPPING=1\n");
	if (r == CLI_NO_SERVER)
		return r;
	removed = deployment_remove(a->call, &a->deployment);
	followers_drain(a->followers);
	return removed > r ? removed : r;
}

static int up(struct attached *a, bool stay)
{
	struct deploy_how how = {.wait = true};
	int r = deployment_read(a->file, &a->deployment);

	if (r != CLI_DONE)
		return r;
	if (stay) /* before the first service is put, so that none is lost */
		a->signals_fd = signals_hold();
	if (stay && a->signals_fd < 0) {
		say_error(strerror(-a->signals_fd), NULL, "cannot take signals");
		r = CLI_FAILED;
	}
	a->call->signals_fd = a->signals_fd;
	if (r == CLI_DONE && stay)
		r = deployment_apply(a->call, &a->deployment, &how);
	else if (r == CLI_DONE)
		r = deployment_apply_shown(a->call, &a->deployment, &how);
	if (r == CLI_DONE && stay)
		r = attach(a);
	else if (r != CLI_DONE && r != CLI_NO_SERVER && stay)
		deployment_remove(a->call, &a->deployment); /* those that came up before */
	deployment_fini(&a->deployment);
	return r;
}

int verb_up(struct call *call)
{
	SCOPED_MEM struct attached *a = calloc(1, sizeof(*a));
	const char *file = args_value(&call->args, "file");
	int r;

	if (a)
		a->followers = followers_new(call);
	if (!a || !a->followers)
		return CLI_FAILED;
	a->call = call;
	a->file = file ? file : "ebb.json";
	a->signals_fd = -1;
	r = up(a, args_given(&call->args, "attach"));
	fd_close(&a->signals_fd);
	followers_free(a->followers);
	return r;
}
