/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a service, one row each. The CLI, the API, root and the documents read the same
 * rows; nothing here knows how any of them keeps a value.
 */
#ifndef EBB_SETTINGS_SETTINGS_H
#define EBB_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order in which documents show them. */
enum setting_id {
	SETTING_NONE, /* so that zeroed tables refer to no setting */
	SETTING_IMAGE,
	SETTING_ROOT,
	SETTING_RUNTIME,
	SETTING_ENTRYPOINT,
	SETTING_CLEAN_URLS,
	SETTING_TRAILING_SLASH,
	SETTING_MEMORY,
	SETTING_MAX_DURATION,
	SETTING_MAX_CONCURRENCY,
	SETTING_MIN_INSTANCES,
	SETTING_MAX_INSTANCES,
	SETTING_ROUTE_PREFIX,
	SETTING_HOSTS,
	SETTING_ENV,
	SETTING_BINDINGS,
	SETTING_CRONS,
	SETTING_SCHEDULES,
	SETTING_TRIGGERS,
	SETTING_COMMAND,
	SETTING_USER,
	SETTING_CAPABILITIES,
	SETTING_EBB,
	SETTING_FREEZE_AFTER,
	SETTING_TIMERS,
	SETTING_HIBERNATE,
	SETTING_EGRESS,
	SETTING_NETWORK,
	SETTING_INIT_TIMEOUT,
	SETTING_STOP_GRACE,
	SETTING_CPU,
	SETTING_PIDS,
	SETTING_SCRATCH,
	SETTING_PORT,
	SETTING_IO_URING,
	SETTING_SECCOMP,
	SETTING_UPSTREAM,
	SETTING_PRIVATE,
	SETTING_MAX_BODY,
	SETTING_QUEUES,
	SETTING_COUNT,
};

enum setting_kind {
	SETTING_NUMBER,  /* min..max, or zero */
	SETTING_TIME,    /* in unit_ms or as a duration (base/duration.h): min..max ms, or zero */
	SETTING_WORD,    /* one of words; the first when absent */
	SETTING_BOOL,    /* false when absent */
	SETTING_TEXT,    /* at most max bytes; words: those that ebb.json takes */
	SETTING_PATH,    /* begins with "/"; at most max bytes */
	SETTING_LIST,    /* of strings, at most max of them (0: no bound); words: those there are */
	SETTING_MAP,     /* strings by name, at most max bytes in all */
	SETTING_OBJECT,  /* the settings of another place */
	SETTING_OBJECTS, /* a list of objects, at most max of them, whose shape ebb-api knows */
	SETTING_NAMED,   /* the same by name */
};

enum setting_place { SETTING_OF_FILE, SETTING_OF_SERVICE, SETTING_OF_EBB };

/* The readers of a setting: the CLI, which takes it from ebb.json and acts on it, and the API. */
enum setting_reader { SETTING_FOR_BOTH, SETTING_FOR_CLI, SETTING_FOR_API };

#define SETTING_WORDS_MAX       8
#define SETTING_CONCURRENCY_CAP 100 /* start and bound of maxConcurrency "auto" */
#define SETTING_RUNTIME_BYTES   31
#define SETTING_USER_BYTES      127
#define SETTING_ENV_BYTES       16384
#define SETTING_BODY_KB_MAX     1073741824 /* 1 TiB */

struct setting {
	const char *name;
	enum setting_place place;
	enum setting_kind kind;
	enum setting_reader reader;
	bool open_ended; /* ebb.json knows no upper bound: the API does */
	uint32_t unit_ms;
	const char *unit; /* of a number, for people: "MB" */
	int64_t min, max, fallback;
	int64_t root_min, root_max; /* of the number that travels to root; equal when it is none */
	const char *zero;           /* the word that stands for 0, or NULL */
	bool or_object;             /* a word, or an object whose shape ebb-api knows */
	const char *words[SETTING_WORDS_MAX];
	const char *usual; /* the default in words, where no number or word says it; or NULL */
	const char *help;
};

/* The row of a setting; id is one of the enum, not SETTING_NONE. */
const struct setting *setting_of(enum setting_id id);
/* The setting with this key, or NULL. */
const struct setting *setting_find(enum setting_place place, const char *name);
enum setting_id setting_id_of(const struct setting *s);
/* The index of text among the setting's words, or -EINVAL; text may be NULL. */
int setting_word(const struct setting *s, const char *text);
/* The setting's words with one space between, or "". Returns buf. */
const char *setting_words(const struct setting *s, char *buf, size_t size);
/* The unit in which its number is written: "MB", "seconds", or "". */
const char *setting_unit(const struct setting *s);
/* The value when absent, as a user would write it: "512", "auto", "the image's"; "" for none.
 * Returns buf. */
const char *setting_usual(const struct setting *s, char *buf, size_t size);

#endif
