// SPDX-License-Identifier: Apache-2.0
/* The command line of ebb: one row per verb. Help, completion and the man page's test read it. */
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/cli/verb_options.h"

const struct option cli_common_options[] = {
	{.name = "socket",
	 .kind = ARG_FILE,
	 .value = "PATH",
	 .help = "the server's socket (EBB_SOCKET; " CLI_SOCKET_DEFAULT ")"},
	{.name = "json", .kind = ARG_NONE, .help = "one JSON document instead of text"},
	{.name = "help", .letter = 'h', .kind = ARG_NONE, .help = "this text"},
	{.name = "version", .kind = ARG_NONE, .help = "the version of this program"},
	{.name = NULL},
};

const struct verb cli_verbs[] = {
	{.name = "build",
	 .words = "DIR -t NAME",
	 .help = "a function directory becomes an image",
	 .details = "Reads DIR/ebb.json if it is there and has one service, else guesses from the\n"
		    "files what runs it, and says what it guessed.",
	 .options = build_options,
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_DIRECTORY,
	 .run = verb_build},
	{.name = "image import",
	 .words = "SRC",
	 .help = "an image comes into the store",
	 .details = "SRC is oci:DIR, oci-archive:FILE, docker-archive:FILE (- is a pipe) or "
		    "dir:ROOTFS;\n"
		    "FILE:REF and DIR:REF choose one image of several.",
	 .options = import_options,
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_FILE,
	 .run = verb_image_import},
	{.name = "image export",
	 .words = "IMAGE",
	 .help = "an image of the store becomes an archive",
	 .details = "An oci-archive, as ebb image import, skopeo and others take it. FILE stands "
		    "there\n"
		    "when all of it is written, and not before.",
	 .options = export_options,
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_IMAGE,
	 .run = verb_image_export},
	{.name = "image ls",
	 .words = "",
	 .help = "lists the images of the store",
	 .options = quiet_options,
	 .run = verb_image_ls},
	{.name = "image rm",
	 .words = "NAME...",
	 .help = "forgets images",
	 .words_min = 1,
	 .words_max = ARGS_WORDS_MAX,
	 .completes = ARG_IMAGE,
	 .run = verb_image_rm},
	{.name = "image gc",
	 .words = "",
	 .help = "frees space that no image needs any more",
	 .run = verb_image_gc},
	{.name = "deploy",
	 .words = "[NAME --image IMG]",
	 .help = "makes services as described; a second time changes nothing",
	 .details = "Without NAME, every service of ebb.json: built if it has sources, then put.\n"
		    "`ebb help ebb.json` lists what may be in there.",
	 .options = deploy_options,
	 .words_max = 1,
	 .completes = ARG_SERVICE,
	 .run = verb_deploy},
	{.name = "up",
	 .words = "",
	 .help = "deploys ebb.json, and stays with --attach",
	 .details = "With --attach the deployment is this process: a process manager can run it.\n"
		    "It tells NOTIFY_SOCKET when it is ready (sd_notify).",
	 .options = up_options,
	 .run = verb_up},
	{.name = "init",
	 .words = "[TEMPLATE [DIR]]",
	 .help = "a new project from a template; without TEMPLATE, lists them",
	 .details = "  ebb init express shop && cd shop && sudo ebb dev\n"
		    "No file that is there is replaced.",
	 .words_max = 2,
	 .completes = ARG_DIRECTORY,
	 .run = verb_init},
	{.name = "dev",
	 .words = "[DIR]",
	 .help = "serves a project while you work on it: a private ebbd, again at each change",
	 .details =
		 "Builds and deploys what DIR/ebb.json or DIR/vercel.json says (without one, DIR "
		 "is\n"
		 "one service), shows its routes and logs, and builds again what changed. A build\n"
		 "that fails changes nothing. Ctrl-C ends it, and leaves nothing. Needs root.",
	 .options = dev_options,
	 .words_max = 1,
	 .completes = ARG_DIRECTORY,
	 .run = verb_dev},
	{.name = "ls",
	 .words = "",
	 .help = "lists the services",
	 .options = quiet_options,
	 .run = verb_ls},
	{.name = "inspect",
	 .words = "NAME",
	 .help = "all about a service or an instance, as JSON",
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_SERVICE,
	 .run = verb_inspect},
	{.name = "deployments",
	 .words = "[SITE]",
	 .help = "lists the deployments that are kept",
	 .options = quiet_options,
	 .words_max = 1,
	 .run = verb_deployments},
	{.name = "promote",
	 .words = "SITE ID",
	 .help = "switches to a deployment that is kept, with all its services and rules",
	 .options = dry_run_options,
	 .words_min = 2,
	 .words_max = 2,
	 .run = verb_promote},
	{.name = "rollback",
	 .words = "NAME [REVISION]",
	 .help = "goes back to the deployment or revision before, or to this one",
	 .details =
		 "A NAME with deployments goes back whole: to the one that was current before, or "
		 "to this ID.\nElse NAME is a service: a new revision repeats the one before; `ebb "
		 "revisions NAME` shows which are kept.",
	 .options = dry_run_options,
	 .words_min = 1,
	 .words_max = 2,
	 .completes = ARG_SERVICE,
	 .run = verb_rollback},
	{.name = "revisions",
	 .words = "NAME",
	 .help = "the last ten revisions of a service",
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_SERVICE,
	 .run = verb_revisions},
	{.name = "traffic",
	 .words = "NAME [REV=PERCENT...]",
	 .help = "shares requests between revisions; without shares, shows them",
	 .details = "  ebb traffic api 7=90 8=10     a tenth to revision 8\n"
		    "  ebb traffic api 8=100         all to it; 8 must be the newest, or use "
		    "rollback\n"
		    "A deployment or a rollback gives everything to the new revision.",
	 .options = dry_run_options,
	 .words_min = 1,
	 .words_max = 6,
	 .completes = ARG_SERVICE,
	 .run = verb_traffic},
	{.name = "crons ls",
	 .words = "",
	 .help = "lists schedules: when each is due next, and how the last run ended",
	 .options = crons_options,
	 .run = verb_crons_ls},
	{.name = "crons runs",
	 .words = "[NAME]",
	 .help = "lists the last runs, of all schedules or of one, and their results",
	 .options = crons_options,
	 .words_max = 1,
	 .completes = ARG_SCHEDULE,
	 .run = verb_crons_runs},
	{.name = "crons run",
	 .words = "NAME",
	 .help = "runs a schedule now; prints the id of the run",
	 .details =
		 "  ebb crons run /api/daily\n"
		 "A cron is named as its path. If several services have the name, --service says "
		 "which.",
	 .options = cron_run_options,
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_SCHEDULE,
	 .run = verb_crons_run},
	{.name = "queue ls",
	 .words = "",
	 .help = "lists topics with their consumers, messages that wait, and dead letters",
	 .options = queue_options,
	 .run = verb_queue_ls},
	{.name = "queue peek",
	 .words = "NAMESPACE/TOPIC",
	 .help = "lists messages that a consumer has not handled, the oldest first, up to 100",
	 .options = peek_options,
	 .words_min = 1,
	 .words_max = 1,
	 .run = verb_queue_peek},
	{.name = "queue retry",
	 .words = "NAMESPACE/TOPIC",
	 .help = "delivers dead letters again",
	 .options = retry_options,
	 .words_min = 1,
	 .words_max = 1,
	 .run = verb_queue_retry},
	{.name = "queue purge",
	 .words = "NAMESPACE/TOPIC",
	 .help = "drops messages that no consumer has handled, or only dead letters",
	 .options = purge_options,
	 .words_min = 1,
	 .words_max = 1,
	 .run = verb_queue_purge},
	{.name = "secret set",
	 .words = "NAME",
	 .help = "stores a value that services name and nobody is shown",
	 .details = "  ebb secret set DATABASE_URL < url.txt\n"
		    "  pass show db | ebb secret set DATABASE_URL --redeploy\n"
		    "The value never stands on the command line, where other users could see it.\n"
		    "One line end behind it is taken off. A service names it in ebb.json:\n"
		    "  \"env\": {\"DATABASE_URL\": {\"secret\": \"DATABASE_URL\"}}\n"
		    "A revision keeps the value that it was deployed with; --redeploy replaces it.",
	 .options = secret_options,
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_SECRET,
	 .run = verb_secret_set},
	{.name = "secret ls",
	 .words = "",
	 .help = "lists the secrets: names, versions, who uses them",
	 .options = quiet_options,
	 .run = verb_secret_ls},
	{.name = "secret rm",
	 .words = "NAME...",
	 .help = "removes secrets that no service uses",
	 .words_min = 1,
	 .words_max = ARGS_WORDS_MAX,
	 .completes = ARG_SECRET,
	 .run = verb_secret_rm},
	{.name = "rm",
	 .words = "NAME...",
	 .help = "removes services; open requests may finish",
	 .words_min = 1,
	 .words_max = ARGS_WORDS_MAX,
	 .completes = ARG_SERVICE,
	 .run = verb_rm},
	{.name = "ps",
	 .words = "",
	 .help = "lists the instances",
	 .options = ps_options,
	 .run = verb_ps},
	{.name = "why",
	 .words = "INSTANCE",
	 .help = "why an instance is awake, or not",
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_INSTANCE,
	 .run = verb_why},
	{.name = "net",
	 .words = "INSTANCE",
	 .help = "the open connections of an instance, as ss shows them",
	 .options = net_options,
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_INSTANCE,
	 .run = verb_net},
	{.name = "exec",
	 .words = "INSTANCE COMMAND...",
	 .help = "runs a command in an instance, as its function runs",
	 .details =
		 "  ebb exec -t api-7 sh\n"
		 "  ebb exec api-7 -- ls -l /app     -- before options of the command\n"
		 "It has the function's user, limits and confinement, and ends with this process.\n"
		 "The exit code is the command's; 128 and the signal, if one ended it.",
	 .options = exec_options,
	 .words_min = 2,
	 .words_max = ARGS_WORDS_MAX,
	 .completes = ARG_INSTANCE,
	 .run = verb_exec},
	{.name = "freeze",
	 .words = "INSTANCE...",
	 .help = "freezes instances that have no work",
	 .words_min = 1,
	 .words_max = ARGS_WORDS_MAX,
	 .completes = ARG_INSTANCE,
	 .run = verb_freeze},
	{.name = "thaw",
	 .words = "INSTANCE...",
	 .help = "thaws instances",
	 .words_min = 1,
	 .words_max = ARGS_WORDS_MAX,
	 .completes = ARG_INSTANCE,
	 .run = verb_thaw},
	{.name = "stop",
	 .words = "INSTANCE...",
	 .help = "drains and ends instances",
	 .words_min = 1,
	 .words_max = ARGS_WORDS_MAX,
	 .completes = ARG_INSTANCE,
	 .run = verb_stop},
	{.name = "logs",
	 .words = "NAME",
	 .help = "the output of a service or an instance",
	 .options = logs_options,
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_SERVICE,
	 .run = verb_logs},
	{.name = "events",
	 .words = "[NAME]",
	 .help = "events on this host, and their reasons",
	 .details = "NAME: only what happened to this service or instance.",
	 .options = events_options,
	 .words_max = 1,
	 .completes = ARG_SERVICE,
	 .run = verb_events},
	{.name = "top", .words = "", .help = "instances, refreshed; q ends", .run = verb_top},
	{.name = "usage",
	 .words = "",
	 .help = "the bill",
	 .options = usage_options,
	 .run = verb_usage},
	{.name = "ledger verify",
	 .words = "",
	 .help = "recomputes and checks the bill",
	 .run = verb_ledger_verify},
	{.name = "node",
	 .words = "",
	 .help = "this host: capacity and condition",
	 .run = verb_node},
	{.name = "drain",
	 .words = "",
	 .help = "this host takes no new work",
	 .details =
		 "Open requests finish; an instance stops when it has none. New ones are answered\n"
		 "503. It stays so over restarts, until `ebb undrain`.",
	 .options = drain_options,
	 .run = verb_drain},
	{.name = "undrain", .words = "", .help = "this host takes work again", .run = verb_undrain},
	{.name = "upgrade",
	 .words = "",
	 .help = "the installed version takes over in place",
	 .details =
		 "Every process of ebb is replaced by the one that stands in its place now, while\n"
		 "requests run: none fails, instances and WebSockets stay. A version that cannot\n"
		 "take over says so before anything stops; one that fails gives way to the one\n"
		 "before. Ends when the new version serves.",
	 .options = upgrade_options,
	 .run = verb_upgrade},
	{.name = "doctor",
	 .words = "",
	 .help = "checks this host, with a mend for each finding",
	 .details = "Looks at the host it runs on and needs no server. As root it tries more.",
	 .run = verb_doctor},
	/* The functions of the verbs from here on print this table, so main.c has them. */
	{.name = "completion",
	 .words = "SHELL",
	 .help = "completion for bash, zsh or fish",
	 .words_min = 1,
	 .words_max = 1,
	 .completes = ARG_CHOICE,
	 .choices = "bash zsh fish"},
	{.name = "help",
	 .words = "[TOPIC]",
	 .help = "tells about a verb, ebb.json, exit, environment",
	 .words_max = 2,
	 .completes = ARG_TOPIC},
	{.name = "version", .words = "", .help = "the version of this program"},
	{.name = NULL},
};

/* How many words of argv the name takes: "image ls" takes two; 0 if it is another verb. */
static int name_matches(const char *name, int argc, char *const *argv)
{
	int used = 0;

	while (*name) {
		size_t n = strcspn(name, " ");

		if (used >= argc || strlen(argv[used]) != n || memcmp(argv[used], name, n) != 0)
			return 0;
		used++;
		name += n;
		name += *name == ' ';
	}
	return used;
}

const struct verb *cli_verb_find(int argc, char *const *argv, int *used)
{
	for (const struct verb *verb = cli_verbs; verb->name; verb++) {
		int n = name_matches(verb->name, argc, argv);

		if (n) {
			*used = n;
			return verb;
		}
	}
	return NULL;
}
