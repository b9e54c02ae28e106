/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the REST API, for verbs: a JSON document comes back, or the error has been said in three
 * lines and the verb returns the exit code it is given.
 */
#ifndef EBB_CLI_API_H
#define EBB_CLI_API_H

#include "runtime/base/json.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/conn.h"

struct api_answer {
	int status;
	struct json *document; /* NULL when the body is empty or not JSON */
	char *text;            /* the body, NUL-terminated */
	size_t size;
};

/* Frees the body and the document; a zeroed answer is fine. */
void api_answer_fini(struct api_answer *answer);

/* One exchange; any status is an answer. action completes "cannot ...": "list services". */
int api_try(const struct call *call, const struct conn_request *request, const char *action,
	    struct api_answer *out);
/* One exchange. action completes "cannot ...": "list services". On CLI_DONE the status is 2xx and
 * *out is the caller's to api_answer_fini; otherwise the error has been printed. */
int api_exchange(const struct call *call, const struct conn_request *request, const char *action,
		 struct api_answer *out);
/* Without a body; target is percent-encoded already. */
int api_call(const struct call *call, const char *method, const char *target, const char *action,
	     struct api_answer *out);
/* GETs prefix + encoded name + suffix; action is what the name is put behind: "inspect". CLI_DONE,
 * or said. */
int api_get(const struct call *call, const char *prefix, const char *name, const char *suffix,
	    const char *action, struct api_answer *out);
/* The same for a document to send. */
int api_send(const struct call *call, const char *method, const char *target, const char *body,
	     const char *action, struct api_answer *out);
/* Opens an answer of lines that may not end (logs, events): the connection stands behind its head.
 * Where the first target is not found (404), the second one (or NULL) is asked for. */
int api_stream(const struct call *call, const char *target, const char *second, const char *action,
	       struct conn **out);

/* Makes a target: prefix + encoded name + suffix. CLI_DONE or CLI_USAGE (said). */
int api_target(char *buf, size_t size, const char *prefix, const char *name, const char *suffix);

/* The same call for every word of the command line: prefix + word + suffix. Says "DONE WORD" for
 * each, goes on after a failure and returns the worst code; with --json a list of the answers. */
int api_each(const struct call *call, const char *method, const char *prefix, const char *suffix,
	     const char *action, const char *done);

/* Says that nobody answers at call->socket. Returns CLI_NO_SERVER. */
int api_no_server(const struct call *call, int err);
/* Says a failed exchange (an errno of conn_*) and returns the exit code. */
int api_broken(const struct call *call, const char *action, int err);
/* Says what a problem document (RFC 9457) holds. Returns CLI_USAGE where it names wrong values, as
 * if they had been found before they were sent; else CLI_FAILED. */
int api_refused(const char *action, int status, const struct json *problem, const char *text);

/* The same for a connection that stands behind the head of such an answer. */
int api_refused_conn(const struct call *call, const char *action, struct conn *conn);

/* A list, whether the answer is the array itself or holds it as member `key` or "items". */
const struct json *api_list(const struct json *document, const char *key);

/* Prints a document indented, with a newline, for --json. */
void api_print(const struct json *document);
void api_print_text(const struct json_out *out);
/* On one line, without a newline. */
void api_print_compact(const struct json *document);

#endif
