/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program `ebb` runs as its caller, holds no privilege, and speaks only the REST API.
 *
 * One table of verbs (verbs.c) is the command line: help, completion and dispatch are made from it.
 * A verb prints its own errors and returns its exit code.
 */
#ifndef EBB_CLI_CLI_H
#define EBB_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/cli/args.h"

#define CLI_SOCKET_DEFAULT "/run/ebb/api.sock"

enum cli_exit {
	CLI_DONE,      /* done as asked */
	CLI_FAILED,    /* it failed */
	CLI_USAGE,     /* the command line or ebb.json is wrong; nothing was tried */
	CLI_NO_SERVER, /* nobody answers at the socket */
};

struct call {
	const struct verb *verb;
	struct args args;
	const char *socket;
	bool json;      /* one document, stable keys */
	bool terminal;  /* standard output is a terminal */
	bool color;     /* a terminal, and NO_COLOR is not set */
	int signals_fd; /* borrowed; readable when a wait must end early (signalfd(2)). -1: none */
};

struct verb {
	const char *name;             /* one word, or "image import"; NULL ends the table */
	const char *words;            /* positional words for the usage line: "NAME" */
	const char *help;             /* one line */
	const char *details;          /* more lines for `ebb help VERB`, or NULL */
	const struct option *options; /* or NULL */
	unsigned int words_min, words_max;
	enum arg_kind completes;       /* the kind of its words */
	const char *choices;           /* for ARG_CHOICE */
	int (*run)(struct call *call); /* NULL: main.c has the function, which prints this table */
};

extern const struct verb cli_verbs[]; /* ends with a NULL name */
extern const struct option cli_common_options[];

/* The verb that argv begins with, and how many words its name took; NULL if there is none. */
const struct verb *cli_verb_find(int argc, char *const *argv, int *used);

/* suggest.c. The text "did you mean 'X'? " for a mistyped verb or topic, or for a mistyped option
 * of this verb (NULL: of the common options); "" when no name is near. Returns buf. */
const char *suggest_verb(const char *word, char *buf, size_t size);
const char *suggest_option(const char *word, const struct verb *verb, char *buf, size_t size);

/* help.c, completion.c */
void help_overview(void);
void help_verb(const struct verb *verb);
int verb_help(struct call *call);
int verb_completion(struct call *call);
int verb_version(struct call *call);

/* verb_*.c */
int verb_build(struct call *call);
int verb_image_import(struct call *call);
int verb_image_export(struct call *call);
int verb_pull(struct call *call);
int verb_push(struct call *call);
int verb_image_ls(struct call *call);
int verb_image_rm(struct call *call);
int verb_image_gc(struct call *call);
int verb_deploy(struct call *call);
int verb_up(struct call *call);
int verb_init(struct call *call);
int verb_dev(struct call *call);
int verb_ls(struct call *call);
int verb_inspect(struct call *call);
int verb_rm(struct call *call);
int verb_deployments(struct call *call);
int verb_promote(struct call *call);
int verb_rollback(struct call *call);
int verb_revisions(struct call *call);
int verb_traffic(struct call *call);
int verb_secret_set(struct call *call);
int verb_secret_ls(struct call *call);
int verb_secret_rm(struct call *call);
int verb_crons_ls(struct call *call);
int verb_crons_runs(struct call *call);
int verb_crons_run(struct call *call);
int verb_queue_ls(struct call *call);
int verb_queue_peek(struct call *call);
int verb_queue_retry(struct call *call);
int verb_queue_purge(struct call *call);
int verb_runs_ls(struct call *call);
int verb_runs_show(struct call *call);
int verb_runs_cancel(struct call *call);
int verb_runs_retry(struct call *call);
int verb_ps(struct call *call);
int verb_freeze(struct call *call);
int verb_thaw(struct call *call);
int verb_stop(struct call *call);
int verb_why(struct call *call);
int verb_net(struct call *call);
int verb_exec(struct call *call);
int verb_logs(struct call *call);
int verb_events(struct call *call);
int verb_usage(struct call *call);
int verb_ledger_verify(struct call *call);
int verb_node(struct call *call);
int verb_drain(struct call *call);
int verb_undrain(struct call *call);
int verb_upgrade(struct call *call);
int verb_top(struct call *call);
int verb_doctor(struct call *call);

#endif
