/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output of instances on stdout and stderr. Each instance has one pipe; its lines go to
 * <log>/<service>/<instance>.log as "2026-11-23T01:02:03.456789Z text", and to followers. The text
 * of a line that belongs to a request begins with a tag (a byte 0x1e, the 32 digits of the
 * request's id, a space). The tag stays in the file; readers get the id apart from the text. A full
 * disk or a slow follower loses lines and never blocks a function; log_pace.h bounds how much an
 * instance may write.
 */
#ifndef EBB_API_LOGS_H
#define EBB_API_LOGS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/api/buffer.h"
#include "runtime/wire/records.h"

#define LOG_LINE_MAX 16384 /* longer lines are cut into several */
/* In place of the space behind the time: the next line of the instance is the rest of this one. */
#define LOG_GOES_ON    '+'
#define LOG_TIME_CHARS 27

struct logs;
struct loop;
struct request;

/* log_dir_fd is borrowed. 0 or -ENOMEM. */
int logs_new(struct loop *loop, int log_dir_fd, struct logs **out);
void logs_free(struct logs *logs);
int logs_dir_fd(const struct logs *logs);
/* Takes over pipe_fd, also on failure. 0 or -errno. */
int logs_add_pipe(struct logs *logs, const char *service, const char *instance, int pipe_fd);
/* The totals of each service. */
struct log_totals;
const struct log_totals *logs_totals(const struct logs *logs);
bool logs_is_live(const void *logs, const char *instance); /* logs: struct logs */
/* The lines that a client wants, and their form. */
struct log_wish {
	const char *instance; /* NULL = all of the service */
	const char *request;  /* 32 digits, or NULL = all */
	const char *since;    /* of this time (log_is_time) and later ones; NULL = all */
	bool json;
};
#define LOG_REQUEST_CHARS 32
#define LOG_TAG_CHARS     (1 + LOG_REQUEST_CHARS + 1)
/* Whether text is the id of a request: 32 lower-case hexadecimal digits. */
bool log_is_request(const char *text);
/* Whether text is a time as it stands in front of a line: "2026-11-23T01:02:03.456789Z". */
bool log_is_time(const char *text);
/* Sends rq (whose stream has begun) every new line. 0, or -ENOSPC. */
int logs_follow(struct logs *logs, struct request *rq, const char *service,
		const struct log_wish *wish);
bool logs_can_follow(const struct logs *logs);
void logs_forget(struct logs *logs, const struct request *rq);

/* log_line.c. The id of the request whose tag a bare "TEXT" begins with: its digits, or NULL. */
const char *log_text_request(const char *text, size_t size);
bool log_line_wanted(const char *line, size_t size, const char *request);
bool log_line_is_since(const char *line, size_t size, const char *since);
/* Adds one line as it goes out, "TIME INSTANCE [REQUEST] TEXT" or a JSON object, made from the line
 * of the file, "TIME TEXT". 0 or -ENOMEM. */
int log_line_format(struct buffer *out, const char *instance, const char *line, size_t size,
		    bool json);

/* log_files.c */
/* Appends whole lines, and turns the file over when it is full. 0 or -errno. */
int log_append(int log_dir_fd, const char *service, const char *instance, const char *lines,
	       size_t size);
/* Of the instances that are not live, the newest keep their files; the files of the others are
 * removed. */
void log_prune(int log_dir_fd, const char *service,
	       bool (*is_live)(const void *self, const char *instance), const void *self);
/* log_tail.c: the last lines that are wanted, oldest first, formatted. 0, -ENOENT, -errno. */
int log_tail(int log_dir_fd, const char *service, const struct log_wish *wish, size_t lines_max,
	     struct buffer *out);

#endif
