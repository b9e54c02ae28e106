// SPDX-License-Identifier: Apache-2.0
/*
 * dev: a project while somebody works on it. A private ebbd serves what its file describes; a
 * change of a file builds and deploys again the services that it belongs to. A build that fails
 * changes nothing: the last good deployment serves on. The end leaves nothing.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/dev_server.h"
#include "runtime/cli/dev_watch.h"
#include "runtime/cli/file.h"
#include "runtime/cli/followers.h"
#include "runtime/cli/places.h"
#include "runtime/cli/signals.h"
#include "runtime/cli/text_out.h"
#include "runtime/cli/upload.h"

#define SETTLE_NS    (60 * NS_PER_MS) /* changes that come closer together are one */
#define RESTARTS_MAX 5

struct dev {
	struct call *call;
	char file[PATH_MAX], folder[PATH_MAX]; /* absolute; no such file: a project without one */
	struct deployment deployment;  /* as the file says now; spec NULL: it cannot be read */
	bool unread;                   /* the file has to be read */
	bool fresh[SPEC_SERVICES_MAX]; /* by number: its image is made of what is there now */
	bool routes_shown, changed;
	uint64_t changed_ns; /* the last change */
	struct dev_server server;
	struct dev_watch *watch;
	struct followers *followers;
	pid_t builder; /* builds and deploys; 0: none */
	int builder_fd, signals_fd;
	unsigned int restarts;            /* of ebbd */
	bool building[SPEC_SERVICES_MAX]; /* that it builds */
	uint64_t begun_ns;
};

/* ---- changes ---- */

static bool lies_in(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The directory of a service, absolute and without links; -ENOENT if it is not there. */
static int service_folder(const struct dev *d, size_t number, char *out)
{
	char directory[4096];
	int r = deployment_directory(&d->deployment, &d->deployment.spec->services[number],
				     directory, sizeof(directory));

	return r < 0 ? r : realpath(directory, out) ? 0 : -errno;
}

static void note_change(void *context, const char *path)
{
	struct dev *d = context;
	bool concerns = !path || strcmp(path, d->file) == 0 || !d->deployment.spec;

	if (concerns)
		d->unread = true;
	for (size_t i = 0; d->deployment.spec && i < d->deployment.spec->count; i++) {
		char folder[PATH_MAX];

		if (path && service_folder(d, i, folder) == 0 && !lies_in(path, folder) &&
		    !lies_in(folder, path))
			continue;
		d->fresh[i] = false;
		concerns = true;
	}
	if (!concerns)
		return;
	d->changed = true;
	d->changed_ns = clock_mono_ns();
}

static void take_changes(struct dev *d)
{
	int r = dev_watch_take(d->watch, note_change, d);

	if (r < 0)
		say_note("ebb: changes of a new directory are not seen: %s", strerror(-r));
}

/* ---- reading the file ---- */

/* A project without a file is one service, as a vercel.json without services is. */
static int read_file(struct dev *d, struct deployment *out)
{
	static const char none[] = "{\"version\": 2}";
	int r;

	if (access(d->file, F_OK) == 0)
		return deployment_read(d->file, out);
	r = deployment_parse(d->file, none, sizeof(none) - 1, out);
	if (r == CLI_DONE) {
		const char *name = strrchr(d->folder, '/');

		out->is_file = true;
		spec_name(out->spec, name ? name + 1 : "site");
	}
	return r;
}

static bool read_again(struct dev *d)
{
	struct deployment fresh = {.file = NULL};

	d->unread = false;
	if (read_file(d, &fresh) != CLI_DONE)
		return false;
	deployment_fini(&d->deployment);
	d->deployment = fresh;
	d->routes_shown = false;
	memset(d->fresh, 0, sizeof(d->fresh));
	return true;
}

/* ---- building and deploying ---- */

/* In the child: a process group of its own, so that the end reaches its programs too. */
static void build_and_deploy(struct dev *d, pid_t parent)
{
	struct deploy_how how = {.kept = d->fresh};
	sigset_t none;
	int r;

	(void)setpgid(0, 0);
	sigemptyset(&none);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ||
	    sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		_exit(CLI_FAILED);
	d->call->signals_fd = -1;
	r = deployment_apply(d->call, &d->deployment, &how);
	(void)fflush(NULL);
	_exit(r);
}

static void begin_round(struct dev *d)
{
	pid_t self = getpid();

	d->changed = false;
	if (d->unread && !read_again(d)) {
		say_note("ebb: the file is wrong; the last good deployment serves on");
		return;
	}
	(void)fflush(NULL);
	d->begun_ns = clock_mono_ns();
	d->builder = fork();
	if (d->builder == 0)
		build_and_deploy(d, self);
	if (d->builder < 0) {
		say_error(strerror(errno), NULL, "cannot build");
		d->builder = 0;
		return;
	}
	(void)setpgid(d->builder, d->builder);
	d->builder_fd = (int)syscall(SYS_pidfd_open, d->builder, 0);
	for (size_t i = 0; i < d->deployment.spec->count; i++) {
		d->building[i] = !d->fresh[i];
		d->fresh[i] = true; /* until a change comes */
	}
}

static void show_route(const struct dev *d, const struct spec_service *service)
{
	const char *colon = strrchr(d->server.listen, ':');
	const char *host = json_string(json_at(json_get(service->value, "hosts"), 0));
	const char *prefix = spec_string(service, "routePrefix");

	prefix = prefix ? prefix : spec_string(service, "mount");
	if (service->hidden)
		say_note("  %-20s private", service->name);
	else if (host)
		say_note("  %-20s http://%s%s%s", service->name, host, colon,
			 prefix ? prefix : "/");
	else if (prefix)
		say_note("  %-20s http://localhost%s%s", service->name, colon, prefix);
	else
		say_note("  %-20s http://%s.localhost%s/", service->name, service->name, colon);
}

static void show_routes(struct dev *d)
{
	const struct spec *spec = d->deployment.spec;
	bool same = false;

	d->routes_shown = true;
	for (size_t i = 0; i < spec->count; i++) {
		same = same || strcmp(spec->services[i].name, spec->name) == 0;
		show_route(d, &spec->services[i]);
	}
	if (!same && *spec->name)
		say_note("  %-20s http://%s.localhost%s/", "the site", spec->name,
			 strrchr(d->server.listen, ':'));
}

/* The child ended. The services that it could not build are built again at the next change. */
static void end_round(struct dev *d)
{
	uint64_t ms = (clock_mono_ns() - d->begun_ns) / NS_PER_MS;
	int status = process_wait(d->builder);

	d->builder = 0;
	fd_close(&d->builder_fd);
	if (status == CLI_DONE) {
		say_note("ebb: deployed in %llu.%02llu s", (unsigned long long)(ms / 1000),
			 (unsigned long long)(ms % 1000 / 10));
		if (!d->routes_shown)
			show_routes(d);
		if (followers_set(d->followers, d->deployment.spec) != CLI_DONE)
			say_note("ebb: out of memory for logs");
		return;
	}
	for (size_t i = 0; i < d->deployment.spec->count; i++)
		d->fresh[i] = d->fresh[i] && !d->building[i];
	say_note("ebb: not deployed; the last good deployment serves on. The next change tries "
		 "again");
}

/* ---- the loop ---- */

/* When ebbd ends by itself, another one goes on with what it knew. Returns an exit code. */
static int begin_again(struct dev *d)
{
	bool was_ready = d->server.ready;

	dev_server_reap(&d->server);
	if (!was_ready || d->restarts == RESTARTS_MAX) {
		say_note("ebb: ebbd ended%s", was_ready ? " again and again" : "");
		return CLI_FAILED;
	}
	d->restarts++;
	d->changed = true; /* a build may have needed it */
	say_note("ebb: ebbd ended; starting it again");
	return dev_server_start(&d->server);
}

/* In ms until changes are old enough to be built; -1: nothing is to be built. */
static int build_in_ms(const struct dev *d)
{
	uint64_t age_ns = clock_mono_ns() - d->changed_ns;

	if (!d->server.ready || d->builder || !d->changed)
		return -1;
	return age_ns >= SETTLE_NS ? 0 : (int)((SETTLE_NS - age_ns) / NS_PER_MS) + 1;
}

static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

enum { SIGNALS, SERVER, READY, CHANGES, BUILDER, WAITS };

/* One turn. Returns -1 to go on, else an exit code. */
static int turn(struct dev *d)
{
	struct pollfd waits[WAITS + FOLLOWERS_MAX] = {
		[SIGNALS] = {.fd = d->signals_fd, .events = POLLIN},
		[SERVER] = {.fd = d->server.pid_fd, .events = POLLIN},
		[READY] = {.fd = d->server.notify_fd, .events = POLLIN},
		[CHANGES] = {.fd = dev_watch_fd(d->watch), .events = POLLIN},
		[BUILDER] = {.fd = d->builder ? d->builder_fd : -1, .events = POLLIN},
	};
	int retry_ms = d->server.ready ? followers_open(d->followers) : -1;
	size_t n = followers_waits(d->followers, waits + WAITS);

	if (poll(waits, WAITS + n, sooner(retry_ms, build_in_ms(d))) < 0)
		return errno == EINTR ? -1 : CLI_FAILED;
	followers_take(d->followers, waits + WAITS);
	if (waits[SIGNALS].revents)
		return CLI_DONE;
	if (waits[READY].revents && dev_server_hears(&d->server))
		say_note("ebb: ebbd listens on %s", d->server.listen);
	if (waits[CHANGES].revents)
		take_changes(d);
	if (waits[BUILDER].revents)
		end_round(d);
	if (waits[SERVER].revents) {
		int r = begin_again(d);

		if (r != CLI_DONE)
			return r;
	}
	if (build_in_ms(d) == 0)
		begin_round(d);
	return -1;
}

static void end_builder(struct dev *d)
{
	if (!d->builder)
		return;
	(void)kill(-d->builder, SIGTERM);
	(void)process_wait(d->builder);
	fd_close(&d->builder_fd);
}

/* ---- begin and end ---- */

/* FILE, or ebb.json or vercel.json of the directory. 0 or -errno. */
static int find_file(struct dev *d)
{
	const char *file = args_value(&d->call->args, "file");
	const char *folder = args_word(&d->call->args, 0);
	char other[PATH_MAX];
	int r;

	if (file) {
		if (!realpath(file, d->file) || text_copy(d->folder, PATH_MAX, d->file) < 0)
			return -errno;
		*strrchr(d->folder, '/') = '\0';
		return 0;
	}
	if (!realpath(folder ? folder : ".", d->folder))
		return -errno;
	r = text_format(d->file, PATH_MAX, "%s/ebb.json", d->folder);
	if (r == 0)
		r = text_format(other, PATH_MAX, "%s/vercel.json", d->folder);
	if (r == 0 && access(d->file, F_OK) < 0 && access(other, F_OK) == 0)
		memcpy(d->file, other, sizeof(other));
	return r;
}

static int open_parts(struct dev *d)
{
	int r = dev_watch_new(d->folder, &d->watch);

	(void)signal(SIGPIPE, SIG_IGN);
	if (r == 0) {
		d->signals_fd = signals_hold();
		r = d->signals_fd < 0 ? d->signals_fd : 0;
	}
	d->followers = followers_new(d->call);
	if (r == 0 && d->followers)
		return CLI_DONE;
	say_error(r ? strerror(-r) : "out of memory",
		  r == -ENOSPC ? "raise fs.inotify.max_user_watches (sysctl)" : NULL,
		  "cannot watch %s", d->folder);
	return CLI_FAILED;
}

static int serve(struct dev *d)
{
	const char *root = args_value(&d->call->args, "root");
	char cache[4096];
	int r = root ? text_copy(cache, sizeof(cache), root) : places_cache(cache, sizeof(cache));

	if (r < 0) {
		say_error(strerror(-r), "set EBB_CACHE to a directory that can be written",
			  "cannot use the cache %s", cache);
		return CLI_FAILED;
	}
	r = dev_server_init(&d->server, cache, args_value(&d->call->args, "listen"));
	d->call->socket = d->server.socket;
	if (r == CLI_DONE)
		r = dev_server_start(&d->server);
	d->changed = d->unread = true;
	for (r = r == CLI_DONE ? -1 : r; r < 0;)
		r = turn(d);
	say_note("ebb: ending");
	end_builder(d);
	dev_server_end(&d->server);
	followers_drain(d->followers);
	return r;
}

int verb_dev(struct call *call)
{
	SCOPED_MEM struct dev *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return CLI_FAILED;
	d->call = call;
	d->builder_fd = d->signals_fd = -1;
	r = find_file(d);
	if (r < 0) {
		say_error(strerror(-r), "ebb dev DIR, or ebb dev -f FILE",
			  "cannot find the project");
		return CLI_USAGE;
	}
	if (geteuid() != 0) {
		say_error("ebbd makes cgroups, namespaces and mounts", "sudo ebb dev",
			  "only root can run a private ebbd");
		return CLI_FAILED;
	}
	r = open_parts(d);
	if (r == CLI_DONE)
		r = serve(d);
	followers_free(d->followers);
	dev_watch_free(d->watch);
	deployment_fini(&d->deployment);
	fd_close(&d->signals_fd);
	return r;
}
