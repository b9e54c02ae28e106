/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a program: key=value lines on stderr, one write(2) for each line. Lines of programs
 * under ebbd go through ebbd (supervisor/programs/program_log.h).
 *
 * Only programs log; libraries (base, wire, http, sandbox, netns, cgroups, images) return errors.
 * fmt is itself key=value text: log_info("event=frozen instance=%s usage_us=%" PRIu64, id, us).
 * Text that may hold spaces or foreign bytes goes through log_quote().
 */
#ifndef EBB_BASE_LOG_H
#define EBB_BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR_LEVEL, LOG_WARN_LEVEL, LOG_INFO_LEVEL, LOG_DEBUG_LEVEL };

/* Names the program (static string) and the most detailed level that is shown. Call it once, first
 * thing in main. */
void log_init(const char *program, enum log_level lowest);
/* Changes the most detailed level that is shown, also for forwarded lines. */
void log_lowest(enum log_level lowest);
/* log_init with the level that EBB_LOG names; without it: info. ebbd names debug for its programs
 * and itself drops the lines that log_level does not want. */
void log_init_named(const char *program);
/* For programs under ebbd: lines carry no date and no name, because ebbd adds those. A line that
 * the pipe does not take is lost and counted. */
void log_to_supervisor(void);
/* For ebbd: from now on lines go to this descriptor (borrowed) and not to stderr. */
void log_to(int fd);
/* For ebbd: writes a line of another program under the name of that program. Control bytes become
 * "?". Text that claims a date, a level or a name of its own is quoted. A line without a level
 * counts as an error. */
void log_forward(const char *program, const char *line, size_t size);
/* The level with this name ("error", "warn", "info", "debug"), or -EINVAL. */
int log_level_parse(const char *name);
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_ERROR_LEVEL, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN_LEVEL, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO_LEVEL, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG_LEVEL, __VA_ARGS__)

/* Copies text into buf as "a quoted value": control bytes, quotes and backslashes are escaped, and
 * the text is cut to fit. size >= 3. Returns buf. */
const char *log_quote(char *buf, size_t size, const char *text);

#endif
