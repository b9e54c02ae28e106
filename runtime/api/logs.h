/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What instances write to stdout and stderr: one pipe per instance, read into
 * <log>/<service>/<instance>.log as lines "2026-11-23T01:02:03.456789Z text", and sent to those who
 * follow. A pipe is always emptied: a full disk or a slow follower loses lines, never blocks a
 * function.
 */
#ifndef EBB_API_LOGS_H
#define EBB_API_LOGS_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/api/buffer.h"
#include "runtime/wire/records.h"

#define LOG_LINE_MAX   16384 /* longer lines are cut into several */
#define LOG_TIME_CHARS 27

struct logs;
struct loop;
struct request;

/* log_dir_fd is borrowed. 0 or -ENOMEM. */
int logs_new(struct loop *loop, int log_dir_fd, struct logs **out);
void logs_free(struct logs *logs);
int logs_dir_fd(const struct logs *logs);
/* Takes pipe_fd. 0 or -errno. */
int logs_add_pipe(struct logs *logs, const char *service, const char *instance, int pipe_fd);
bool logs_is_live(const struct logs *logs, const char *instance);
/* Sends rq (whose stream has begun) every new line of an instance, or (NULL) of all of a service.
 * 0, or -ENOSPC. */
int logs_follow(struct logs *logs, struct request *rq, const char *service, const char *instance,
		bool json);
bool logs_can_follow(const struct logs *logs);
void logs_forget(struct logs *logs, const struct request *rq);

/* One line as it goes out: "TIME INSTANCE TEXT" or a JSON object. line is "TIME TEXT". 0/-ENOMEM */
int log_line_format(struct buffer *out, const char *instance, const char *line, size_t size,
		    bool json);

/* log_files.c */
/* Appends whole lines, and turns the file over when it is full. 0 or -errno. */
int log_append(int log_dir_fd, const char *service, const char *instance, const char *lines,
	       size_t size);
/* Removes the files of all but the newest dead instances. */
void log_prune(struct logs *logs, const char *service);
/* log_tail.c: the last lines, oldest first, formatted, of one instance or (NULL) all of a service.
 * 0, -ENOENT, -errno. */
int log_tail(int log_dir_fd, const char *service, const char *instance, size_t lines_max, bool json,
	     struct buffer *out);

#endif
