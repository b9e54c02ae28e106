// SPDX-License-Identifier: Apache-2.0
/*
 * The command line, by one table of options. --run takes the number of words that follow, so that
 * no word of a program is ever taken for an option of ebb-step.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "images/step/step.h"
#include "runtime/base/fault.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define MB ((uint64_t)1 << 20)

struct parse {
	struct step_plan *plan;
	struct step_run next; /* settings of the next --run */
	int argc, at;
	char **argv;
};

struct option {
	const char *name;
	int (*take)(struct parse *p, const char *value);
};

static int take_number(const char *value, uint64_t unit, uint64_t *out)
{
	uint64_t number;
	int r = text_parse_u64(value, 1, UINT32_MAX, &number);

	if (r == 0)
		*out = number * unit;
	return r < 0 ? -EINVAL : 0;
}

static int take_work(struct parse *p, const char *value)
{
	p->plan->work = value;
	return *value == '/' ? 0 : -EINVAL;
}

static int take_memory(struct parse *p, const char *value)
{
	return take_number(value, MB, &p->plan->memory_bytes);
}

static int take_size(struct parse *p, const char *value)
{
	return take_number(value, MB, &p->plan->size_bytes);
}

static int take_files(struct parse *p, const char *value)
{
	return take_number(value, 1, &p->plan->files);
}

static int take_pids(struct parse *p, const char *value)
{
	return take_number(value, 1, &p->plan->pids);
}

static int take_cpu(struct parse *p, const char *value)
{
	return take_number(value, 1, &p->plan->cpu_milli);
}

static int take_cgroups(struct parse *p, const char *value)
{
	p->plan->cgroups = strcmp(value, "yes") == 0;
	return p->plan->cgroups || strcmp(value, "no") == 0 ? 0 : -EINVAL;
}

/* Takes BASE[=HOST]: the place of the directory in a base and, if it differs, in the view of the
 * host. Cuts the word in two. */
static int take_scratch(struct parse *p, const char *value)
{
	struct step_scratch *s = &p->plan->scratch[p->plan->scratch_count];
	char *equal = (char *)strchr(value, '=');

	if (p->plan->scratch_count == STEP_LIST_MAX || value[0] != '/' || strstr(value, "..") ||
	    (equal && equal[1] != '/'))
		return -EINVAL;
	s->in_base = value + 1;
	s->in_host = equal ? equal + 2 : value + 1;
	if (equal)
		*equal = '\0';
	p->plan->scratch_count++;
	return 0;
}

static int take_may_fail(struct parse *p, const char *value)
{
	p->next.may_fail = strcmp(value, "yes") == 0;
	return p->next.may_fail ? 0 : -EINVAL;
}

/* Takes INSIDE=HOST, or one path that is the same inside and on the host. */
static int take_bind(struct parse *p, const char *value)
{
	struct step_bind *b = &p->plan->binds[p->plan->bind_count];
	const char *from = strchr(value, '=');
	size_t size = from ? (size_t)(from - value) : strlen(value);

	if (p->plan->bind_count == STEP_LIST_MAX || value[0] != '/' || strstr(value, "..") ||
	    size >= sizeof(b->path))
		return -EINVAL;
	memcpy(b->path, value + 1, size - 1);
	b->path[size - 1] = '\0';
	b->from = from ? from + 1 : value;
	p->plan->bind_count++;
	return 0;
}

static int take_root(struct parse *p, const char *value)
{
	p->next.root = strcmp(value, "host") == 0 ? NULL : value;
	return *value == '/' || !p->next.root ? 0 : -EINVAL;
}

static int take_net(struct parse *p, const char *value)
{
	p->next.host_net = strcmp(value, "host") == 0;
	return p->next.host_net || strcmp(value, "none") == 0 ? 0 : -EINVAL;
}

static int take_listen(struct parse *p, const char *value)
{
	uint64_t fd;
	int r = text_parse_u64(value, 3, 1023, &fd);

	if (r == 0)
		p->next.listen_out = (int)fd;
	return r;
}

static int take_seconds(struct parse *p, const char *value)
{
	return take_number(value, 1, &p->next.seconds);
}

static int take_cwd(struct parse *p, const char *value)
{
	p->next.cwd = value;
	return *value == '/' ? 0 : -EINVAL;
}

/* Takes the variables of ebb-step's own environment whose names begin with the prefix; the program
 * gets them without it. Values are on no command line, which every user of the host may read. */
static int take_env(struct parse *p, const char *prefix)
{
	size_t size = strlen(prefix);

	for (char **pair = environ; *pair; pair++) {
		if (strncmp(*pair, prefix, size) != 0)
			continue;
		if (p->next.env_count == STEP_LIST_MAX)
			return -E2BIG;
		p->next.env[p->next.env_count++] = *pair + size;
	}
	return size ? 0 : -EINVAL;
}

static int take_keep(struct parse *p, const char *value)
{
	uint64_t fd;

	if (p->next.keep_count == STEP_LIST_MAX || text_parse_u64(value, 0, 1023, &fd) < 0)
		return -EINVAL;
	p->next.keep[p->next.keep_count++] = (int)fd;
	return 0;
}

/* Takes a program. The settings given before it (descriptors, variables, network) are for this
 * program only. */
static int take_run(struct parse *p, const char *value)
{
	struct step_run *run = &p->plan->runs[p->plan->run_count];
	uint64_t count;

	if (p->plan->run_count == STEP_RUNS_MAX ||
	    text_parse_u64(value, 1, (uint64_t)(p->argc - p->at), &count) < 0)
		return -EINVAL;
	*run = p->next;
	run->argv = calloc(count + 1, sizeof(*run->argv));
	if (!run->argv)
		return -ENOMEM;
	memcpy(run->argv, p->argv + p->at, count * sizeof(*run->argv));
	p->at += (int)count;
	p->plan->run_count++;
	p->next = (struct step_run){.cwd = "/", .seconds = run->seconds, .listen_out = -1};
	return 0;
}

static const struct option options[] = {
	{"--work", take_work},         {"--memory-mb", take_memory},  {"--size-mb", take_size},
	{"--files", take_files},       {"--pids", take_pids},         {"--cpu-milli", take_cpu},
	{"--cgroups", take_cgroups},   {"--scratch", take_scratch},   {"--bind", take_bind},
	{"--root", take_root},         {"--may-fail", take_may_fail}, {"--net", take_net},
	{"--listen-out", take_listen}, {"--seconds", take_seconds},   {"--cwd", take_cwd},
	{"--env-from", take_env},      {"--keep", take_keep},         {"--run", take_run},
};

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static int parse_all(struct parse *p, struct fault *f)
{
	while (p->at < p->argc) {
		const char *name = p->argv[p->at++];
		const struct option *option = find(name);
		const char *value = p->at < p->argc ? p->argv[p->at++] : NULL;
		int r = option && value ? option->take(p, value) : -EINVAL;

		if (r < 0)
			return fault_say(f, r, "option %s %s: %s", name, value ? value : "",
					 option ? strerror(-r) : "unknown");
	}
	return 0;
}

int plan_parse(int argc, char **argv, struct step_plan *plan, struct fault *f)
{
	struct parse p = {
		.plan = plan,
		.next = {.cwd = "/", .seconds = 600, .listen_out = -1},
		.argc = argc,
		.at = 1,
		.argv = argv,
	};
	int r;

	*plan = (struct step_plan){.memory_bytes = 2048 * MB,
				   .size_bytes = 1024 * MB,
				   .files = 400000,
				   .pids = 256,
				   .cpu_milli = 2000,
				   .cgroups = true};
	r = parse_all(&p, f);
	if (r == 0 && (!plan->work || plan->run_count == 0))
		r = fault_say(f, -EINVAL, "--work DIR and at least one --run N WORD... are needed");
	return r;
}

void plan_fini(struct step_plan *plan)
{
	for (unsigned int i = 0; i < plan->run_count; i++)
		free(plan->runs[i].argv);
}
