// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/program.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/filter.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/rehearse.h"

#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

int program_confine(const struct program *p)
{
	char err[256] = "";
	int r;

	if (sanitized) {
		log_warn("event=unconfined reason=\"built with a sanitizer\"");
		return 0;
	}
	r = filter_apply(p->policy, (size_t)(p->policy_end - p->policy), err, sizeof(err));
	if (r < 0)
		log_error("event=start_failed step=\"load the filter\" error=\"%s\"", err);
	return r;
}

static int failed_at(const char *step, int r)
{
	if (r < 0)
		log_error("event=start_failed step=\"%s\" error=\"%s\"", step, strerror(-r));
	return r;
}

static int rehearse_life(const struct program *p, const char *what)
{
	const char *step = "prepare";
	int r = p->prepare ? failed_at(step, p->prepare(&step)) : 0;

	if (r == 0)
		r = program_confine(p);
	return r < 0 ? r : rehearse(what);
}

static int live(const struct program *p)
{
	const char *step = "prepare";
	int r = p->prepare ? p->prepare(&step) : 0;

	if (r == 0 && p->open)
		r = p->open(p->self, &step);
	if (failed_at(step, r) < 0)
		return r;
	log_debug("event=starting");
	r = program_confine(p);
	if (r < 0)
		return r;
	r = p->run(p->self);
	if (r < 0)
		log_error("event=failed error=\"%s\"", strerror(-r));
	return r;
}

int program_main(const struct program *p, int argc, char *const *argv)
{
	const char *rehearsal = rehearse_wanted(argc, argv);

	must(p->name && p->run && p->policy < p->policy_end);
	log_init_named(p->name);
	if (rehearsal)
		return rehearse_life(p, rehearsal) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	log_to_supervisor();
	signal(SIGPIPE, SIG_IGN); /* a log pipe that nobody reads any more */
	return live(p) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
