/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls to the REST API, for verbs. Each returns CLI_DONE with an answer, or has printed the error
 * in three lines on stderr and returns the exit code for the verb to return. Each waits for the
 * server.
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

/* GETs without a word, for one that asks again: 0 with an answer of any status, or -errno. *out is
 * the caller's to api_answer_fini. */
int api_ask(const struct call *call, const char *target, struct api_answer *out);
/* One exchange; an answer of any status is CLI_DONE. A GET or PUT whose connection ends before the
 * answer, or whose answer is 503, is repeated for some seconds. action completes "cannot ...":
 * "list services". *out is the caller's to api_answer_fini. */
int api_try(const struct call *call, const struct conn_request *request, const char *action,
	    struct api_answer *out);
/* One exchange. On CLI_DONE the status is 2xx and *out is the caller's to api_answer_fini. */
int api_exchange(const struct call *call, const struct conn_request *request, const char *action,
		 struct api_answer *out);
/* The same without a body; target is percent-encoded already. */
int api_call(const struct call *call, const char *method, const char *target, const char *action,
	     struct api_answer *out);
/* GETs prefix + encoded name + suffix. The name is put behind action: "inspect" NAME. */
int api_get(const struct call *call, const char *prefix, const char *name, const char *suffix,
	    const char *action, struct api_answer *out);
/* As api_call, with a JSON document to send. */
int api_send(const struct call *call, const char *method, const char *target, const char *body,
	     const char *action, struct api_answer *out);
/* Opens an answer of lines that may not end (logs, events). *out stands behind the head of the
 * answer; the caller frees it with conn_free. If target is not found (404), second is asked for,
 * unless it is NULL. */
int api_stream(const struct call *call, const char *target, const char *second, const char *action,
	       struct conn **out);

/* The same for a stream whose connection ended: says so, and tries for a minute while nobody
 * answers or the server is not ready. On CLI_DONE *out has any status but 503. */
int api_stream_again(const struct call *call, const char *target, const char *second,
		     struct conn **out);

/* Opens an answer of bytes, for which the server may first work as long as it wants. As api_stream
 * without a second target. */
int api_download(const struct call *call, const char *target, const char *action,
		 struct conn **out);

/* Makes a target: prefix + encoded name + suffix. CLI_DONE, or CLI_USAGE with the error printed. */
int api_target(char *buf, size_t size, const char *prefix, const char *name, const char *suffix);

#define API_TARGET_SIZE 2048
/* Puts ?name=value behind a target, or &name=value behind other parameters; nothing for a value
 * that is NULL. As api_target. */
int api_parameter(char target[API_TARGET_SIZE], const char *name, const char *value);

/* Makes one call for every word of the command line, to prefix + word + suffix. Prints "DONE WORD"
 * for each, or with --json a list of the answers. Goes on after a failure, unless no server
 * answers, and returns the worst exit code. */
int api_each(const struct call *call, const char *method, const char *prefix, const char *suffix,
	     const char *action, const char *done);

/* Prints that nobody answers at call->socket. Returns CLI_NO_SERVER. */
int api_no_server(const struct call *call, int err);
/* Prints the error of a failed exchange (an errno of conn_*). Returns the exit code. */
int api_broken(const struct call *call, const char *action, int err);
/* Prints the error that a problem document (RFC 9457) describes. Returns CLI_USAGE if the document
 * names wrong values, as if they had been found before they were sent; else CLI_FAILED. */
int api_refused(const char *action, int status, const struct json *problem, const char *text);

/* The same for a connection that stands behind the head of an answer with an error. */
int api_refused_conn(const struct call *call, const char *action, struct conn *conn);

/* The list of an answer: the document itself if it is an array, else its member `key`
 * or "items". */
const struct json *api_list(const struct json *document, const char *key);

/* Prints a document indented, with a newline, for --json. */
void api_print(const struct json *document);
void api_print_text(const struct json_out *out);
/* Prints a document on one line, without a newline. */
void api_print_compact(const struct json *document);

#endif
