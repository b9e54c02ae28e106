// SPDX-License-Identifier: Apache-2.0
/* The options of the verbs: a table for each, which verbs.c names. */
#include "runtime/cli/verb_options.h"

const struct option quiet_options[] = {
	{.name = "quiet", .letter = 'q', .help = "names only, one per line"},
	{.name = NULL},
};

const struct option ps_options[] = {
	{.name = "quiet", .letter = 'q', .help = "ids only, one per line"},
	{.name = "service", .kind = ARG_SERVICE, .value = "NAME", .help = "only of this service"},
	{.name = "wide",
	 .letter = 'w',
	 .kind = ARG_NONE,
	 .help = "also addresses, connections and bytes of their network"},
	{.name = NULL},
};

const struct option net_options[] = {
	{.name = "all",
	 .letter = 'a',
	 .kind = ARG_NONE,
	 .help = "every socket inside, also listeners and those of its loopback"},
	{.name = NULL},
};

const struct option build_options[] = {
	{.name = "tag",
	 .letter = 't',
	 .kind = ARG_TEXT,
	 .value = "NAME",
	 .help = "name of the image"},
	{.name = "runtime",
	 .kind = ARG_CHOICE,
	 .value = "R",
	 .choices = "node python native static container",
	 .help = "the runtime, instead of guessing it"},
	{.name = "entrypoint",
	 .kind = ARG_TEXT,
	 .value = "FILE",
	 .help = "the file that serves; for static the directory"},
	{.name = "output",
	 .letter = 'o',
	 .kind = ARG_FILE,
	 .value = "FILE",
	 .help = "write an oci-archive there instead of uploading it"},
	{.name = "prebuilt",
	 .kind = ARG_NONE,
	 .help = "DIR is what a build left: nothing of it is built again"},
	{.name = "strict",
	 .kind = ARG_NONE,
	 .help = "with --prebuilt: refuse parts that are not supported"},
	{.name = NULL},
};

const struct option import_options[] = {
	{.name = "tag",
	 .letter = 't',
	 .kind = ARG_TEXT,
	 .value = "NAME",
	 .help = "name of the image; without it, that of the file"},
	{.name = NULL},
};

const struct option export_options[] = {
	{.name = "output",
	 .letter = 'o',
	 .kind = ARG_FILE,
	 .value = "FILE",
	 .help = "write it there and not to standard output"},
	{.name = NULL},
};

const struct option deploy_options[] = {
	{.name = "file",
	 .letter = 'f',
	 .kind = ARG_FILE,
	 .value = "FILE",
	 .help = "all services of this file; ./ebb.json when no NAME is given"},
	{.name = "image",
	 .kind = ARG_IMAGE,
	 .value = "IMG",
	 .setting = SETTING_ENTRYPOINT,
	 .help = "an image of the store"},
	{.name = "memory", .kind = ARG_TEXT, .value = "MB", .setting = SETTING_MEMORY},
	{.name = "max-duration", .kind = ARG_TEXT, .value = "S", .setting = SETTING_MAX_DURATION},
	{.name = "concurrency",
	 .kind = ARG_TEXT,
	 .value = "N|auto",
	 .setting = SETTING_MAX_CONCURRENCY},
	{.name = "min", .kind = ARG_TEXT, .value = "N", .setting = SETTING_MIN_INSTANCES},
	{.name = "max", .kind = ARG_TEXT, .value = "N", .setting = SETTING_MAX_INSTANCES},
	{.name = "env",
	 .letter = 'e',
	 .repeat = true,
	 .kind = ARG_TEXT,
	 .value = "K=V",
	 .setting = SETTING_ENV,
	 .help = "an environment variable; again for more"},
	{.name = "secret",
	 .repeat = true,
	 .kind = ARG_TEXT,
	 .value = "K=NAME",
	 .setting = SETTING_ENV,
	 .help = "a variable whose value is a secret; again for more"},
	{.name = "host",
	 .repeat = true,
	 .kind = ARG_TEXT,
	 .value = "H",
	 .setting = SETTING_HOSTS,
	 .help = "a host name that routes here; again for more"},
	{.name = "prefix", .kind = ARG_TEXT, .value = "/P", .setting = SETTING_ROUTE_PREFIX},
	{.name = "egress", .kind = ARG_CHOICE, .value = "HOW", .setting = SETTING_EGRESS},
	{.name = "wait", .kind = ARG_NONE, .help = "wait until it is ready to serve"},
	{.name = "dry-run", .kind = ARG_NONE, .help = "only check, change nothing"},
	{.name = "prebuilt",
	 .kind = ARG_NONE,
	 .help = "run no buildCommand, and deploy the files that it left"},
	{.name = "preview",
	 .kind = ARG_NONE,
	 .help = "only at a name of its own, NAME-ID.localhost; `ebb promote` switches to it"},
	{.name = "id",
	 .kind = ARG_TEXT,
	 .value = "ID",
	 .help = "of the deployment; default: a number"},
	{.name = "jobs",
	 .letter = 'j',
	 .kind = ARG_TEXT,
	 .value = "N",
	 .help = "builds at once; default: as many as CPUs, at most 16"},
	{.name = "strict",
	 .kind = ARG_NONE,
	 .help = "refuse a file with parts that ebb does not do"},
	{.name = NULL},
};

const struct option up_options[] = {
	{.name = "file",
	 .letter = 'f',
	 .kind = ARG_FILE,
	 .value = "FILE",
	 .help = "services of this file; default: ./ebb.json"},
	{.name = "attach",
	 .kind = ARG_NONE,
	 .help = "stay: logs out, SIGHUP re-applies, SIGTERM removes the services and ends"},
	{.name = NULL},
};

const struct option dev_options[] = {
	{.name = "file",
	 .letter = 'f',
	 .kind = ARG_FILE,
	 .value = "FILE",
	 .help = "services of this file; default: DIR/ebb.json, else DIR/vercel.json"},
	{.name = "listen",
	 .kind = ARG_TEXT,
	 .value = "ADDR:PORT",
	 .help = "where it serves; default: the first free port of 127.0.0.1 from 8080 on"},
	{.name = "root",
	 .kind = ARG_DIRECTORY,
	 .value = "DIR",
	 .help = "where its directory is made; default: where building keeps things"},
	{.name = NULL},
};

const struct option logs_options[] = {
	{.name = "follow",
	 .letter = 'f',
	 .kind = ARG_NONE,
	 .help = "go on with new ones, until Ctrl-C"},
	{.name = "tail",
	 .letter = 'n',
	 .kind = ARG_TEXT,
	 .value = "N",
	 .help = "the last N lines; default: 1000"},
	{.name = "request",
	 .kind = ARG_TEXT,
	 .value = "ID",
	 .help = "only the lines of one request: ID is its x-ebb-id"},
	{.name = NULL},
};

const struct option events_options[] = {
	{.name = "follow",
	 .letter = 'f',
	 .kind = ARG_NONE,
	 .help = "go on with new ones, until Ctrl-C"},
	{.name = "kind",
	 .kind = ARG_TEXT,
	 .value = "K",
	 .help = "only events of this kind: instance_starting, ..."},
	{.name = NULL},
};

const struct option usage_options[] = {
	{.name = "service", .kind = ARG_SERVICE, .value = "S", .help = "only this service"},
	{.name = "from",
	 .kind = ARG_TEXT,
	 .value = "T",
	 .help = "the beginning: an RFC 3339 time, a date, or an age (24h, 30m, 7d)"},
	{.name = "to",
	 .kind = ARG_TEXT,
	 .value = "T",
	 .help = "the end, in the same forms; default: now"},
	{.name = "format",
	 .kind = ARG_CHOICE,
	 .value = "F",
	 .choices = "table json cloudevents focus",
	 .help = "the format; default: table"},
	{.name = "price",
	 .repeat = true,
	 .kind = ARG_TEXT,
	 .value = "NAME=AMOUNT",
	 .help = "a price for focus: cpu_hour, gb_hour, million_invocations, gb_out, gb_in, or "
		 "currency=EUR"},
	{.name = NULL},
};

const struct option exec_options[] = {
	{.name = "tty", .letter = 't', .kind = ARG_NONE, .help = "a terminal of its own"},
	{.name = NULL},
};

const struct option drain_options[] = {
	{.name = "deadline",
	 .kind = ARG_TEXT,
	 .value = "TIME",
	 .help = "then instances end although they have work: 30s, 10m; else maxDuration ends it"},
	{.name = "wait", .kind = ARG_NONE, .help = "until the last instance is gone"},
	{.name = NULL},
};

const struct option upgrade_options[] = {
	{.name = "dry-run", .kind = ARG_NONE, .help = "says whether they can, and changes nothing"},
	{.name = NULL},
};

const struct option crons_options[] = {
	{.name = "quiet", .letter = 'q', .help = "names only, one per line"},
	{.name = "service", .kind = ARG_SERVICE, .value = "NAME", .help = "only of this service"},
	{.name = NULL},
};

const struct option cron_run_options[] = {
	{.name = "service",
	 .kind = ARG_SERVICE,
	 .value = "NAME",
	 .help = "the service that has it"},
	{.name = NULL},
};

const struct option secret_options[] = {
	{.name = "file",
	 .letter = 'f',
	 .kind = ARG_FILE,
	 .value = "FILE",
	 .help = "the value; default: standard input"},
	{.name = "redeploy",
	 .kind = ARG_NONE,
	 .help = "a new revision of each service that uses it, with the new value"},
	{.name = NULL},
};

const struct option dry_run_options[] = {
	{.name = "dry-run", .kind = ARG_NONE, .help = "check and show, change nothing"},
	{.name = NULL},
};

const struct option queue_options[] = {
	{.name = "quiet", .letter = 'q', .help = "names only, one per line"},
	{.name = "namespace", .kind = ARG_TEXT, .value = "NAME", .help = "only of this one"},
	{.name = NULL},
};

const struct option runs_options[] = {
	{.name = "quiet", .letter = 'q', .help = "ids only, one per line"},
	{.name = "namespace", .kind = ARG_TEXT, .value = "NAME", .help = "only of this one"},
	{.name = "state", .kind = ARG_TEXT, .value = "STATE", .help = "only in this one"},
	{.name = NULL},
};

const struct option run_options[] = {
	{.name = "quiet", .letter = 'q', .help = "the id only"},
	{.name = "namespace", .kind = ARG_TEXT, .value = "NAME", .help = "of the run"},
	{.name = "events", .kind = ARG_NONE, .help = "its log only, with --json as a list"},
	{.name = NULL},
};

const struct option move_run_options[] = {
	{.name = "namespace", .kind = ARG_TEXT, .value = "NAME", .help = "of the run"},
	{.name = NULL},
};

const struct option peek_options[] = {
	{.name = "quiet", .letter = 'q', .help = "ids only, one per line"},
	{.name = "consumer", .kind = ARG_TEXT, .value = "NAME", .help = "only of this one"},
	{.name = "id", .kind = ARG_TEXT, .value = "ID", .help = "only this message"},
	{.name = "dead", .kind = ARG_NONE, .help = "only dead letters"},
	{.name = NULL},
};

const struct option retry_options[] = {
	{.name = "consumer", .kind = ARG_TEXT, .value = "NAME", .help = "only of this one"},
	{.name = "id", .kind = ARG_TEXT, .value = "ID", .help = "only this message"},
	{.name = NULL},
};

const struct option purge_options[] = {
	{.name = "consumer", .kind = ARG_TEXT, .value = "NAME", .help = "only of this one"},
	{.name = "id", .kind = ARG_TEXT, .value = "ID", .help = "only this message"},
	{.name = "dead", .kind = ARG_NONE, .help = "only dead letters"},
	{.name = NULL},
};
