// SPDX-License-Identifier: Apache-2.0
#include "runtime/settings/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/wire/records.h"

#define DAY_MS        86400000
#define HOUR_MS       3600000
#define START_MS_MAX  600000
#define INSTANCES_TOP 1000

/* clang-format off */
#define NUMBER(least, most, usual_) \
	.kind = SETTING_NUMBER, .min = (least), .max = (most), .fallback = (usual_), \
	.root_min = (least), .root_max = (most)
/* NUMBER_OR, TIME_OR: the value 0 travels to root in place of the word. */
#define NUMBER_OR(word, least, most) \
	.kind = SETTING_NUMBER, .min = (least), .max = (most), .zero = (word), \
	.root_min = 0, .root_max = (most)
#define TIME(unit_, least, most, usual_) \
	.kind = SETTING_TIME, .unit_ms = (unit_), .min = (least), .max = (most), .fallback = (usual_), \
	.root_min = (least), .root_max = (most)
#define TIME_OR(word, unit_, least, most) \
	.kind = SETTING_TIME, .unit_ms = (unit_), .min = (least), .max = (most), .zero = (word), \
	.root_min = 0, .root_max = (most)
#define WORD(count) .kind = SETTING_WORD, .root_max = (count) - 1, .words
#define SERVICE(id, name_) [SETTING_##id] = {.name = (name_), .place = SETTING_OF_SERVICE
#define EBB(id, name_)     [SETTING_##id] = {.name = (name_), .place = SETTING_OF_EBB
#define NAME(name) #name,
#define TEXT_OF(word) #word
#define TEXT(macro) TEXT_OF(macro)

static const struct setting settings[SETTING_COUNT] = {
	SERVICE(IMAGE, "image"), .kind = SETTING_TEXT, .max = IMAGE_NAME_SIZE - 1, .reader = SETTING_FOR_API,
		.help = "name or digest of an image in the store"},
	SERVICE(ROOT, "root"), .kind = SETTING_TEXT, .reader = SETTING_FOR_CLI, .usual = "that of the file",
		.help = "directory of the sources, inside that of this file"},
	SERVICE(RUNTIME, "runtime"), .kind = SETTING_TEXT, .max = SETTING_RUNTIME_BYTES,
		.words = {"node", "python", "native", "static", "container"}, .usual = "guessed from the files",
		.help = "the runtime that runs it"},
	SERVICE(ENTRYPOINT, "entrypoint"), .kind = SETTING_TEXT, .reader = SETTING_FOR_CLI,
		.usual = "guessed from the files",
		.help = "file that serves; for static the directory, for container the image reference"},
	SERVICE(CLEAN_URLS, "cleanUrls"), .kind = SETTING_BOOL, .reader = SETTING_FOR_CLI,
		.help = "of static files: /about serves about.html, and /about.html leads there"},
	SERVICE(TRAILING_SLASH, "trailingSlash"), .kind = SETTING_BOOL, .reader = SETTING_FOR_CLI,
		.usual = "as the client asks",
		.help = "of static files: true leads /about to /about/, false the other way"},
	SERVICE(MEMORY, "memory"), NUMBER(64, 1048576, 512), .unit = "MB", .open_ended = true,
		.help = "memory of an instance"},
	SERVICE(MAX_DURATION, "maxDuration"), TIME(1000, 1000, DAY_MS, 300000),
		.help = "time for one request"},
	SERVICE(MAX_CONCURRENCY, "maxConcurrency"), .kind = SETTING_NUMBER, .min = 1, .max = 10000,
		.zero = "auto", .root_min = 1, .root_max = 10000, /* for auto ebb-api sends its cap */
		.help = "requests at once in one instance; auto is at most " TEXT(SETTING_CONCURRENCY_CAP) ", by how busy it is"},
	SERVICE(MIN_INSTANCES, "minInstances"), NUMBER(0, INSTANCES_TOP, 0),
		.help = "instances kept ready without work"},
	SERVICE(MAX_INSTANCES, "maxInstances"), NUMBER(1, INSTANCES_TOP, 10),
		.help = "instances at most"},
	SERVICE(ROUTE_PREFIX, "routePrefix"), .kind = SETTING_PATH, .max = PATH_PREFIX_SIZE - 1, .usual = "none",
		.help = "path under which requests come here; the longest wins, and / has what is left"},
	SERVICE(HOSTS, "hosts"), .kind = SETTING_LIST, .max = SERVICE_HOSTS_MAX,
		.help = "host names that route here; *.example.org has those with one label more"},
	SERVICE(ENV, "env"), .kind = SETTING_MAP, .max = SETTING_ENV_BYTES,
		.help = "environment variables; a value may be {\"secret\": NAME}"},
	SERVICE(BINDINGS, "bindings"), .kind = SETTING_OBJECTS, .max = BINDINGS_MAX,
		.help = "services that it calls at a URL of its own: type, service, format, env"},
	SERVICE(CRONS, "crons"), .kind = SETTING_OBJECTS, .max = SCHEDULES_MAX,
		.help = "paths that are called at times of UTC: path, schedule"},
	SERVICE(SCHEDULES, "schedules"), .kind = SETTING_NAMED, .max = SCHEDULES_MAX,
		.help = "the same by name: schedule, path or topic, timezone, jitter, requestMethod, overlap, missed, retries"},
	SERVICE(TRIGGERS, "experimentalTriggers"), .kind = SETTING_OBJECTS, .max = TRIGGERS_MAX,
		.help = "topics whose messages are pushed to a path: type, topic, path, consumer, maxDeliveries, retryAfterSeconds, initialDelaySeconds, maxConcurrency"},
	SERVICE(COMMAND, "command"), .kind = SETTING_LIST, .usual = "the image's",
		.help = "replaces the image's own command; in a file also one string"},
	SERVICE(USER, "user"), .kind = SETTING_TEXT, .max = SETTING_USER_BYTES, .usual = "the image's",
		.help = "name of the image's /etc/passwd or number, and :group number"},
	SERVICE(CAPABILITIES, "capabilities"), .kind = SETTING_LIST, .words = {WIRE_CAPABILITIES(NAME)},
		.usual = "all of these for user 0",
		.help = "of user 0 in its own id range; [] takes all away"},
	SERVICE(EBB, "ebb"), .kind = SETTING_OBJECT,
		.help = "keys that only ebb knows"},
	EBB(FREEZE_AFTER, "freezeAfter"), TIME_OR("auto", 1, 1, HOUR_MS),
		.help = "time awake without work before it is frozen; auto learns it"},
	EBB(TIMERS, "timers"), WORD(WIRE_TIMERS_COUNT) = {
			[WIRE_TIMERS_AUTO] = "auto", [WIRE_TIMERS_FIRE] = "fire", [WIRE_TIMERS_LATE] = "late"},
		.help = "fire: thawed in time for all its timers; auto: but for short ticks that do nothing; "
			"late: at the next request"},
	EBB(HIBERNATE, "hibernate"), TIME_OR("off", 1, 100, HOUR_MS),
		.help = "silence after which a WebSocket lets its instance freeze"},
	EBB(EGRESS, "egress"), WORD(2) = {"none", "internet"}, .or_object = true, .usual = "internet",
		.help = "addresses that it may reach; internet is all public ones; an object lists what else"},
	EBB(NETWORK, "network"), WORD(WIRE_ARRIVALS_COUNT) = {
			[WIRE_ARRIVALS_WAKE] = "wake", [WIRE_ARRIVALS_LATE] = "late"},
		.help = "wake: data for its connections thaw it; late: they wait for the next thaw"},
	EBB(INIT_TIMEOUT, "initTimeout"), TIME(1000, 100, START_MS_MAX, 10000),
		.help = "time until it accepts connections"},
	EBB(STOP_GRACE, "stopGrace"), TIME(1000, 0, START_MS_MAX, 10000),
		.help = "time between SIGTERM and the end"},
	EBB(CPU, "cpu"), NUMBER_OR("auto", 10, 1024000), .unit = "thousandths of one CPU",
		.help = "CPU it may use; auto is memory / 2048 of one"},
	EBB(PIDS, "pids"), NUMBER(4, 65536, 512),
		.help = "threads at most"},
	EBB(SCRATCH, "scratch"), NUMBER(1, 65536, 64), .unit = "MB",
		.help = "writable files, which are gone with the instance"},
	EBB(PORT, "port"), NUMBER_OR("auto", 1, 65535),
		.help = "where it listens; auto is what the image exposes, else 8080"},
	EBB(IO_URING, "ioUring"), .kind = SETTING_BOOL,
		.help = "a restricted io_uring for its loop; only for runtimes of ebb"},
	EBB(SECCOMP, "seccomp"), WORD(2) = {"default", "strict"},
		.help = "system calls it may make; strict is what the common runtimes use and no more"},
	EBB(UPSTREAM, "upstream"), WORD(WIRE_HTTP_COUNT) = {
			[WIRE_HTTP_AUTO] = "auto", [WIRE_HTTP_1] = "http1", [WIRE_HTTP_2] = "h2c"},
		.help = "the HTTP it speaks; h2c is HTTP/2 as gRPC servers speak it; auto finds out"},
	EBB(PRIVATE, "private"), .kind = SETTING_BOOL,
		.help = "no public request reaches it; bindings of other services do"},
	EBB(MAX_BODY, "maxBody"), NUMBER_OR("any", 1, SETTING_BODY_KB_MAX), .unit = "KB",
		.help = "body of a request; any is what the host's body_bytes_max lets through"},
	EBB(QUEUES, "queues"), .kind = SETTING_TEXT, .max = SERVICE_NAME_SIZE - 1, .usual = "none; with triggers its name",
		.help = "the namespace of its topics, which it reaches at $EBB_QUEUE_URL"},
};
/* clang-format on */

const struct setting *setting_of(enum setting_id id)
{
	must(id > SETTING_NONE && id < SETTING_COUNT);
	return &settings[id];
}

const struct setting *setting_find(enum setting_place place, const char *name)
{
	for (size_t i = SETTING_NONE + 1; i < SETTING_COUNT; i++)
		if (settings[i].place == place && strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

enum setting_id setting_id_of(const struct setting *s)
{
	return (enum setting_id)(s - settings);
}

int setting_word(const struct setting *s, const char *text)
{
	for (int i = 0; text && i < SETTING_WORDS_MAX && s->words[i]; i++)
		if (strcmp(s->words[i], text) == 0)
			return i;
	return -EINVAL;
}

const char *setting_words(const struct setting *s, char *buf, size_t size)
{
	size_t used = 0;

	*buf = '\0';
	for (size_t i = 0; i < SETTING_WORDS_MAX && s->words[i] && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? " " : "",
					 s->words[i]);
	return buf;
}

const char *setting_unit(const struct setting *s)
{
	if (s->kind == SETTING_TIME)
		return s->unit_ms == 1 ? "ms" : "seconds";
	return s->unit ? s->unit : "";
}

const char *setting_usual(const struct setting *s, char *buf, size_t size)
{
	int64_t unit = s->kind == SETTING_TIME ? s->unit_ms : 1;
	bool number = s->kind == SETTING_NUMBER || s->kind == SETTING_TIME;

	if (s->usual)
		snprintf(buf, size, "%s", s->usual);
	else if (number && s->zero && !s->fallback)
		snprintf(buf, size, "%s", s->zero);
	else if (number)
		snprintf(buf, size, "%" PRId64, s->fallback / unit);
	else if (s->kind == SETTING_WORD)
		snprintf(buf, size, "%s", s->words[0]);
	else
		snprintf(buf, size, "%s", s->kind == SETTING_BOOL ? "false" : "");
	return buf;
}
