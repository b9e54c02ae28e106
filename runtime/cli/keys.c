// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/keys.h"

#include <stddef.h>
#include <string.h>

#define DAY_MS        INT64_C(86400000)
#define HOUR_MS       INT64_C(3600000)
#define INIT_MS_MAX   INT64_C(600000)
#define INSTANCES_TOP 1000

/* Bounds are those of the API (which has the last word): a test there and one here hold them. */
static const struct key keys_ebb[] = {
	{.name = "freezeAfter",
	 .kind = KEY_DURATION,
	 .use = KEY_SENT,
	 .min = 1,
	 .max = HOUR_MS,
	 .unit_ms = 1,
	 .words = "auto",
	 .help = "stay awake that long without work; auto learns it"},
	{.name = "timers",
	 .kind = KEY_CHOICE,
	 .use = KEY_SENT,
	 .words = "auto fire late",
	 .help = "auto: in time, but for short ticks that do nothing; fire; late"},
	{.name = "hibernate",
	 .kind = KEY_DURATION,
	 .use = KEY_SENT,
	 .min = 100,
	 .max = HOUR_MS,
	 .unit_ms = 1,
	 .words = "off",
	 .help = "silence after which a WebSocket lets it freeze"},
	{.name = "egress",
	 .kind = KEY_CHOICE,
	 .use = KEY_SENT,
	 .words = "none internet",
	 .help = "network beyond its own loopback"},
	{.name = "cpu",
	 .kind = KEY_INT_WORD,
	 .use = KEY_SENT,
	 .min = 10,
	 .max = 1024000,
	 .words = "auto",
	 .help = "thousandths of one CPU; auto is memory / 2048 of one"},
	{.name = "pids",
	 .kind = KEY_INT,
	 .use = KEY_SENT,
	 .min = 4,
	 .max = 65536,
	 .help = "threads at most; 512"},
	{.name = "scratch",
	 .kind = KEY_INT,
	 .use = KEY_SENT,
	 .min = 1,
	 .max = 65536,
	 .help = "MB of writable files; 64"},
	{.name = "port",
	 .kind = KEY_INT_WORD,
	 .use = KEY_SENT,
	 .min = 1,
	 .max = 65535,
	 .words = "auto",
	 .help = "where it listens; auto is what the image says, else 8080"},
	{.name = "initTimeout",
	 .kind = KEY_DURATION,
	 .use = KEY_SENT,
	 .min = 100,
	 .max = INIT_MS_MAX,
	 .unit_ms = 1000,
	 .help = "until it accepts connections; 10 s"},
	{.name = "stopGrace",
	 .kind = KEY_DURATION,
	 .use = KEY_SENT,
	 .max = INIT_MS_MAX,
	 .unit_ms = 1000,
	 .help = "between SIGTERM and the end; 10 s"},
	{.name = "ioUring",
	 .kind = KEY_BOOL,
	 .use = KEY_SENT,
	 .help = "a restricted io_uring for its loop (runtimes of ebb); false"},
	{.name = "seccomp",
	 .kind = KEY_CHOICE,
	 .use = KEY_SENT,
	 .words = "default strict",
	 .help = "system calls; strict is what the common runtimes use and no more"},
	{.name = "upstream",
	 .kind = KEY_CHOICE,
	 .use = KEY_SENT,
	 .words = "auto http1 h2c",
	 .help = "the HTTP it speaks; h2c is HTTP/2 (gRPC servers); auto finds out"},
	{.name = NULL},
};

const struct key keys_service[] = {
	{.name = "root",
	 .kind = KEY_STRING,
	 .use = KEY_CLIENT,
	 .help = "directory of the sources, relative to this file"},
	{.name = "runtime",
	 .kind = KEY_CHOICE,
	 .use = KEY_SENT,
	 .words = "node python native container",
	 .help = "what runs it; guessed when absent"},
	{.name = "entrypoint",
	 .kind = KEY_STRING,
	 .use = KEY_CLIENT,
	 .help = "file that serves; for container the image reference"},
	{.name = "command",
	 .kind = KEY_STRINGS,
	 .use = KEY_SENT,
	 .help = "replaces the image's own command"},
	{.name = "user",
	 .kind = KEY_STRING,
	 .use = KEY_SENT,
	 .help = "name or number[:group number]; the image's"},
	{.name = "capabilities",
	 .kind = KEY_STRINGS,
	 .use = KEY_SENT,
	 .help = "of user 0 in its own id range: CHOWN SETUID ...; [] takes all away"},
	{.name = "memory", .kind = KEY_INT, .use = KEY_SENT, .min = 64, .help = "MB; 512"},
	{.name = "maxDuration",
	 .kind = KEY_DURATION,
	 .use = KEY_SENT,
	 .min = 1000,
	 .max = DAY_MS,
	 .unit_ms = 1000,
	 .help = "seconds for one request; 300"},
	{.name = "maxConcurrency",
	 .kind = KEY_INT_WORD,
	 .use = KEY_SENT,
	 .min = 1,
	 .max = 10000,
	 .words = "auto",
	 .help = "requests at once in one instance"},
	{.name = "minInstances",
	 .kind = KEY_INT,
	 .use = KEY_SENT,
	 .max = INSTANCES_TOP,
	 .help = "kept ready without work; 0"},
	{.name = "maxInstances",
	 .kind = KEY_INT,
	 .use = KEY_SENT,
	 .min = 1,
	 .max = INSTANCES_TOP,
	 .help = "at most; 10"},
	{.name = "routePrefix",
	 .kind = KEY_PREFIX,
	 .use = KEY_SENT,
	 .help = "path under which requests come here; the longest wins"},
	{.name = "hosts",
	 .kind = KEY_STRINGS,
	 .use = KEY_SENT,
	 .help = "host names that route here, at most 4"},
	{.name = "env", .kind = KEY_MAP, .use = KEY_SENT, .help = "environment variables"},
	{.name = "ebb",
	 .kind = KEY_OBJECT,
	 .use = KEY_SENT,
	 .members = keys_ebb,
	 .help = "what only ebb knows"},
	{.name = "functions",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "settings by file; set them on the service"},
	{.name = "bindings", .kind = KEY_ANY, .use = KEY_IGNORED, .help = "use env"},
	{.name = "crons", .kind = KEY_ANY, .use = KEY_IGNORED, .help = "call it from cron(8)"},
	{.name = "framework",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "set runtime and entrypoint"},
	{.name = "buildCommand",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "run it before ebb build"},
	{.name = "installCommand",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "run it before ebb build"},
	{.name = "outputDirectory", .kind = KEY_ANY, .use = KEY_IGNORED, .help = "set root to it"},
	{.name = "regions", .kind = KEY_ANY, .use = KEY_IGNORED, .help = "there is one host"},
	{.name = NULL},
};

const struct key keys_file[] = {
	{.name = "$schema", .kind = KEY_STRING, .use = KEY_SILENT, .help = "for editors"},
	{.name = "services",
	 .kind = KEY_SERVICES,
	 .use = KEY_CLIENT,
	 .members = keys_service,
	 .help = "the services, by name"},
	{.name = "experimentalServices",
	 .kind = KEY_SERVICES,
	 .use = KEY_OLD,
	 .members = keys_service,
	 .help = "services"},
	{.name = "functions",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "settings by file; set them on the service"},
	{.name = "crons", .kind = KEY_ANY, .use = KEY_IGNORED, .help = "call it from cron(8)"},
	{.name = "rewrites",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "use routePrefix and hosts"},
	{.name = "redirects",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "the proxy in front can do it"},
	{.name = "headers",
	 .kind = KEY_ANY,
	 .use = KEY_IGNORED,
	 .help = "the proxy in front can do it"},
	{.name = "regions", .kind = KEY_ANY, .use = KEY_IGNORED, .help = "there is one host"},
	{.name = NULL},
};

const struct key *key_find(const struct key *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

/* Levenshtein distance of short names; long ones are far from everything. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], na = strlen(a), nb = strlen(b);

	if (na >= 32 || nb >= 32)
		return 99;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t cost = diagonal + (a[i - 1] != b[j - 1]);
			size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];

			diagonal = row[j];
			row[j] = cost < shorter + 1 ? cost : shorter + 1;
		}
	}
	return row[nb];
}

const char *key_nearest(const struct key *table, const char *name)
{
	const char *best = NULL;
	size_t least = 3;

	for (; table->name; table++) {
		size_t d = strcasecmp(table->name, name) == 0 ? 0 : distance(table->name, name);

		if (d < least && strlen(name) > d + 1) {
			least = d;
			best = table->name;
		}
	}
	return best;
}
