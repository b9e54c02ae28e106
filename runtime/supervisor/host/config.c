// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/host/config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/fault.h"
#include "runtime/base/fd.h"
#include "runtime/base/ids.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/host/config_file.h"
#include "runtime/supervisor/host/listeners.h"
#include "runtime/supervisor/host/network.h"
#include "runtime/supervisor/host/pool.h"

#define CONFIG_LISTEN "127.0.0.1:8080"

enum key_kind { KEY_TEXT, KEY_NUMBER, KEY_LISTEN, KEY_TRUSTED };

/* LIVE: a running ebbd takes it at SIGHUP (reload.c). START: its next start does. */
enum key_time { START, LIVE };

struct key {
	const char *name;
	enum key_kind kind;
	enum key_time time;
	size_t offset, size; /* size: of a text field */
	uint64_t min, max, initial;
	const char *usual; /* of what is no number, for people */
	const char *help;
};

/* clang-format off */
#define TEXT(time_, field, usual_, help_) \
	{ .name = #field, .kind = KEY_TEXT, .time = (time_), .offset = offsetof(struct config, field), \
	  .size = sizeof(((struct config *)0)->field), .usual = usual_, .help = help_ }
#define NUMBER(time_, field, min_, max_, initial_, help_) \
	{ .name = #field, .kind = KEY_NUMBER, .time = (time_), .offset = offsetof(struct config, field), \
	  .min = min_, .max = max_, .initial = initial_, .help = help_ }

static const struct key keys[] = {
	{ .name = "listen", .kind = KEY_LISTEN, .time = LIVE, .usual = CONFIG_LISTEN, .help = "ADDR:PORT[,proxy] to serve on (up to 8); proxy: PROXY protocol" },
	{ .name = "trusted", .kind = KEY_TRUSTED, .time = LIVE, .usual = "nobody", .help = "fronts that are believed: NETWORK[,NETWORK]... (up to 16)" },
	TEXT(START, root, "none: the places below", "everything under this directory"),
	TEXT(START, run_dir, NULL, "board, api.sock"),
	TEXT(START, state_dir, NULL, "desired state (owned by ebb-api)"),
	TEXT(START, log_dir, NULL, "output of functions (owned by ebb-api)"),
	TEXT(START, ledger_dir, NULL, "the ledger (owned by ebb-ledger)"),
	TEXT(START, flow_dir, NULL, "runs of schedules (owned by ebb-flow)"),
	TEXT(START, image_dir, NULL, "the image store (0700)"),
	TEXT(START, secret_key, NULL, "key of secrets, a file of root only (0600); made when there is none"),
	TEXT(START, libexec_dir, "where ebbd is", "ebb's other programs"),
	TEXT(START, cgroup, "ebb; of its own with root", "name of the cgroup tree"),
	TEXT(START, seccomp_policy, "ebb's own", "seccomp policy of functions, a file"),
	TEXT(LIVE, domain, "none", "NAME.<domain> routes to service NAME"),
	TEXT(START, node, "the host's name", "this host's name in usage records"),
	TEXT(LIVE, api_group, "none", "group that may use api.sock"),
	TEXT(START, status_listen, "none", "ADDR:PORT of /healthz, /readyz and /v1/tls/ask, for fronts and orchestrators"),
	TEXT(LIVE, log_level, "info", "error, warn, info or debug"),
	TEXT(START, egress, "on", "on: instances may have a network (ebb.egress); off: none has"),
	TEXT(START, egress_default, "internet", "ebb.egress of services that do not say: none or internet"),
	TEXT(START, egress_resolver, "those of /etc/resolv.conf", "IPv4 address that answers instances' questions for names; none: nobody does"),
	TEXT(START, net_pool, "a free part of 198.18.0.0/15", "addresses of instances, an IPv4 network of /20"),
	TEXT(START, net_pool6, "of fd00::/8, by chance", "the same, an IPv6 network of /64"),
	TEXT(START, net_prefix, "ebb, six digits and -", "begin of the names of instances' interfaces on the host, ..10 characters"),
	NUMBER(START, gateways, 0, GATEWAYS_MAX, 0, "gateway processes; 0 = one per core, at most 32; no upgrade in place with more than 32"),
	NUMBER(START, id_base, ID_BASE_MIN, ID_BASE_MAX, 1879048192, "first host id of ebb's id ranges"),
	NUMBER(LIVE, armed, 0, 64, 3, "sandboxes kept ready for the next instance"),
	NUMBER(LIVE, instances_max, 1, INSTANCES_MAX, 2000, "instances on this host; beyond: frozen ones go, then 503 OVERLOADED"),
	NUMBER(START, connections_max, 16, 19000, 4096, "client connections per gateway; beyond: 503 OVERLOADED, closed"),
	NUMBER(LIVE, queue_max, 1, 65536, 1024, "requests waiting for an instance, per gateway; beyond: 503 OVERLOADED"),
	NUMBER(LIVE, queue_age_ms, 1, 600000, 30000, "longest wait for an instance; beyond: 503 OVERLOADED"),
	NUMBER(START, head_bytes_max, 1024, 65536, 65536, "bytes of a request head; beyond: 431 HEAD_TOO_LARGE"),
	NUMBER(LIVE, head_fields_max, 1, 128, 128, "header lines of a request; beyond: 431 HEAD_TOO_LARGE"),
	NUMBER(LIVE, target_bytes_max, 64, 65536, 16384, "bytes of a request target; beyond: 414 TARGET_TOO_LONG"),
	NUMBER(LIVE, head_timeout_ms, 100, 600000, 20000, "from the first byte of a head to its last; beyond: 408 REQUEST_TIMEOUT (a PROXY header: closed)"),
	NUMBER(LIVE, idle_timeout_ms, 100, 86400000, 75000, "idle keep-alive connections; beyond: closed"),
	NUMBER(LIVE, access_log, 0, 1000000, 0, "access log: 0 none, 1 all requests, N one of N and all errors"),
	NUMBER(LIVE, body_bytes_max, 0, 1ull << 50, 0, "bytes of a request body, decoded; 0 = any; beyond: 413 BODY_TOO_LARGE"),
	NUMBER(LIVE, body_rate_min, 0, 1 << 30, 100, "bytes/s of a body while the client is waited for; 0 = any; below: 408 BODY_TOO_SLOW, or the end of an answer"),
	NUMBER(LIVE, body_window_ms, 100, 600000, 30000, "over which body_rate_min is measured"),
	NUMBER(LIVE, address_connections_max, 0, 65536, 0, "connections per client address (IPv6: /64) and gateway; 0 = any; beyond: 503 TOO_MANY_CONNECTIONS, closed"),
	NUMBER(LIVE, connection_requests_max, 0, 1 << 30, 0, "requests per connection; 0 = any; the last answer says connection: close"),
	NUMBER(START, h2c_streams, 0, 1000, 100, "open requests of an HTTP/2 connection; 0 = no HTTP/2; beyond: REFUSED_STREAM"),
	NUMBER(LIVE, drain_ms, 0, 3600000, 10000, "time for open requests when stopping"),
	NUMBER(LIVE, upgrade_drain_ms, 0, 86400000, 600000,
	       "time for open connections of a gateway that an upgrade replaced"),
	NUMBER(START, tick_us, 0, TICK_MOST_US, 400, "time between two looks of a CPU at who wants it, while light and heavy instances are awake; 0 = the kernel's own"),
	NUMBER(LIVE, nofile_max, 64, 1048576, 4096, "open files of an instance's process"),
	NUMBER(LIVE, memory_max_mb, 0, 1 << 30, 0, "memory of all instances together; 0 = no limit; beyond: frozen ones go, then 503 OVERLOADED"),
	NUMBER(LIVE, memory_reserve_mb, 0, 1 << 30, 256, "left to the host; below: frozen ones go"),
	NUMBER(START, egress_connections, 16, 65536, 1024, "connections of an instance to outside, at once; beyond: refused"),
	NUMBER(START, egress_connections_all, 0, 1 << 24, 0, "the same of all instances; new ones: a tenth of it at once, then 1/160 a second; 0 = half of nf_conntrack_max"),
	NUMBER(LIVE, image_max_mb, 1, 1 << 24, 16384, "an image unpacked: all files, as large as they claim to be"),
	NUMBER(LIVE, image_file_max_mb, 1, 1 << 24, 8192, "one file of an image"),
	NUMBER(LIVE, image_entries_max, 1, 1 << 28, 2000000, "files and directories of an image"),
	NUMBER(LIVE, import_step_s, 1, 86400, 600, "time of one step of an import"),
};
/* clang-format on */

/* Where each directory, and the key, is with and without --root. */
static const struct place {
	size_t offset;
	const char *below_root, *usual;
} places[] = {
	{offsetof(struct config, run_dir), "run", "/run/ebb"},
	{offsetof(struct config, state_dir), "state", "/var/lib/ebb/state"},
	{offsetof(struct config, log_dir), "log", "/var/log/ebb"},
	{offsetof(struct config, ledger_dir), "ledger", "/var/lib/ebb/ledger"},
	{offsetof(struct config, flow_dir), "flow", "/var/lib/ebb/flow"},
	{offsetof(struct config, image_dir), "images", "/var/lib/ebb/images"},
	{offsetof(struct config, secret_key), "secret.key", "/var/lib/ebb/secret.key"},
};

static const struct place *place_of(const struct key *key)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (key->kind == KEY_TEXT && places[i].offset == key->offset)
			return &places[i];
	return NULL;
}

bool config_row(size_t index, struct config_row *out)
{
	const struct key *k = index < ARRAY_LEN(keys) ? &keys[index] : NULL;
	const struct place *place = k ? place_of(k) : NULL;

	if (!k)
		return false;
	*out = (struct config_row){.name = k->name, .help = k->help, .live = k->time == LIVE};
	if (k->kind == KEY_NUMBER) {
		snprintf(out->usual, sizeof(out->usual), "%" PRIu64, k->initial);
		snprintf(out->allowed, sizeof(out->allowed), "%" PRIu64 "..%" PRIu64, k->min,
			 k->max);
	} else {
		snprintf(out->usual, sizeof(out->usual), "%s", place ? place->usual : k->usual);
	}
	if (place)
		out->below_root = place->below_root;
	return true;
}

static bool has_port(const char *address)
{
	const char *colon = strrchr(address, ':');
	uint64_t port;

	return colon && text_parse_u64(colon + 1, 0, 65535, &port) == 0;
}

static int set_listen(struct config *c, const char *value, struct fault *f)
{
	char address[sizeof(c->listeners[0])];
	const char *comma = strchr(value, ',');
	bool proxy = comma && strcmp(comma, ",proxy") == 0;

	if (comma && !proxy)
		return fault_say(f, -EINVAL, "%s may be followed by nothing but ,proxy", value);
	if (text_copy(address, sizeof(address), value) < 0)
		return fault_say(f, -EINVAL, "%s is too long", value);
	if (comma)
		address[comma - value] = '\0';
	if (!has_port(address))
		return fault_say(f, -EINVAL,
				 "%s is not ADDR:PORT, such as 127.0.0.1:8080 or [::]:80", value);
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (listener_same(c->listeners[i], address))
			return (c->proxy_listeners >> i & 1) == proxy
				       ? 0
				       : fault_say(f, -EINVAL,
						   "%s is named with and without ,proxy", address);
	if (c->listener_count == LISTENERS_MAX)
		return fault_say(f, -EINVAL, "%s is one listener too many; at most %u", value,
				 (unsigned int)LISTENERS_MAX);
	_Static_assert(LISTENERS_MAX <= 32, "proxy_listeners has a bit for each");
	memcpy(c->listeners[c->listener_count], address, sizeof(address));
	c->proxy_listeners |= (uint32_t)proxy << c->listener_count;
	c->listener_count++;
	return 0;
}

static int set_trusted(struct config *c, const char *value, struct fault *f)
{
	char list[2048], *save = NULL;

	if (text_copy(list, sizeof(list), value) < 0)
		return fault_say(f, -EINVAL, "%s is too long", value);
	for (char *item = strtok_r(list, ", ", &save); item; item = strtok_r(NULL, ", ", &save)) {
		if (c->trusted_count == TRUSTED_MAX)
			return fault_say(f, -EINVAL, "%s is one network too many; at most %u", item,
					 (unsigned int)TRUSTED_MAX);
		if (network_parse(item, &c->trusted[c->trusted_count]) < 0)
			return fault_say(f, -EINVAL,
					 "%s is not a network, such as 10.0.0.0/8 or 2001:db8::/32",
					 item);
		c->trusted_count++;
	}
	return 0;
}

static int set_number(struct config *c, const struct key *k, const char *value, struct fault *f)
{
	must(k->kind == KEY_NUMBER && k->min <= k->initial && k->initial <= k->max);
	if (text_parse_u64(value, k->min, k->max, (uint64_t *)((char *)c + k->offset)) == 0)
		return 0;
	fault_say(f, -EINVAL, "%s = %.64s does not fit", k->name, value);
	fault_mend(f, "allowed: %" PRIu64 "..%" PRIu64, k->min, k->max);
	return -EINVAL;
}

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static int set_key(struct config *c, const char *name, const char *value, struct fault *f)
{
	const struct key *k = find_key(name);

	if (!k) {
		fault_say(f, -EINVAL, "%s is not a key", name);
		fault_mend(f, "`ebbd -T` lists them");
		return -EINVAL;
	}
	if (k->kind == KEY_LISTEN)
		return set_listen(c, value, f);
	if (k->kind == KEY_TRUSTED)
		return set_trusted(c, value, f);
	if (k->kind == KEY_NUMBER)
		return set_number(c, k, value, f);
	if (text_copy((char *)c + k->offset, k->size, value) < 0)
		return fault_say(f, -EINVAL, "%s = %.64s... is too long", k->name, value);
	return 0;
}

/* A file in which a key stands twice means one of both, and nobody knows which. */
struct file_keys {
	struct config *config;
	bool seen[ARRAY_LEN(keys)];
};

static int set_from_file(void *self, const char *name, const char *value, struct fault *f)
{
	struct file_keys *file = self;
	const struct key *k = find_key(name);
	bool many = k && (k->kind == KEY_LISTEN || k->kind == KEY_TRUSTED);

	if (k && !many && file->seen[k - keys])
		return fault_say(f, -EINVAL, "%s stands here for the second time", name);
	if (k)
		file->seen[k - keys] = true;
	return set_key(file->config, name, value, f);
}

static int read_file(struct config *c, const char *path, struct fault *f)
{
	struct file_keys file = {.config = c};

	return config_file_read(path, set_from_file, &file, f);
}

static void print_help(void)
{
	struct config_row row;

	puts("Usage: ebbd [--root DIR] [--listen ADDR:PORT[,proxy]]... [--gateways N] [--config "
	     "FILE]\n"
	     "            [--set KEY=VALUE]... [-T]\n"
	     "Serves functions on this host; runs in the foreground, logs to stderr.\n"
	     "  -T  print the configuration in force and exit\n\n"
	     "Keys of the configuration file and of --set (default; allowed values):");
	for (size_t i = 0; config_row(i, &row); i++)
		printf("  %-23s %s (%s%s%s)\n", row.name, row.help, row.usual,
		       *row.allowed ? "; " : "", row.allowed);
}

/* The arguments are read again at SIGHUP, so they stay as they are. */
static int set_pair(struct config *c, const char *argument, struct fault *f)
{
	char pair[2048], *value;

	if (text_copy(pair, sizeof(pair), argument) < 0)
		return fault_say(f, -EINVAL, "%s is too long", argument);
	value = strchr(pair, '=');
	if (!value)
		return fault_say(f, -EINVAL, "%s is not KEY=VALUE", pair);
	*value++ = '\0';
	return set_key(c, pair, value, f);
}

/* One option of the command line. */
static int take_option(struct config *c, int option, char *value, struct fault *f)
{
	static const struct {
		int option;
		const char *key, *where;
	} shorthands[] = {{'r', "root", "--root"},
			  {'l', "listen", "--listen"},
			  {'g', "gateways", "--gateways"}};
	int r;

	if (option == 'T') {
		c->print_only = true;
		return 0;
	}
	if (option == 'c')
		return read_file(c, value, f);
	if (option == 's') {
		r = set_pair(c, value, f);
		fault_at(f, "--set");
		return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(shorthands); i++) {
		if (shorthands[i].option != option)
			continue;
		r = set_key(c, shorthands[i].key, value, f);
		fault_at(f, "%s", shorthands[i].where);
		return r;
	}
	return fault_say(f, -EINVAL, "command line: see ebbd --help");
}

static int parse_arguments(struct config *c, int argc, char **argv, struct fault *f)
{
	static const struct option options[] = {
		{"root", required_argument, NULL, 'r'},
		{"listen", required_argument, NULL, 'l'},
		{"gateways", required_argument, NULL, 'g'},
		{"config", required_argument, NULL, 'c'},
		{"set", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option, r = 0;

	optind = 1;
	while (r == 0 && (option = getopt_long(argc, argv, "Th", options, NULL)) != -1) {
		if (option == 'h') {
			print_help();
			return 1;
		}
		r = take_option(c, option, optarg, f);
	}
	if (r == 0 && optind < argc)
		r = fault_say(f, -EINVAL, "command line: %s is not an option; see ebbd --help",
			      argv[optind]);
	return r;
}

static int make_absolute(char *path, size_t size)
{
	char cwd[PATH_MAX], whole[2 * PATH_MAX];

	if (path[0] == '/' || path[0] == '\0')
		return 0;
	if (!getcwd(cwd, sizeof(cwd)))
		return -errno;
	snprintf(whole, sizeof(whole), "%s/%s", cwd, path);
	return text_copy(path, size, whole);
}

static int own_directory(char *out, size_t size)
{
	char *slash;
	ssize_t n = readlink("/proc/self/exe", out, size - 1);

	if (n < 0)
		return -errno;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

/* Derives unset settings from those that were set. */
static int complete(struct config *c)
{
	int r = make_absolute(c->root, sizeof(c->root));

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++) {
		char *path = (char *)c + places[i].offset;

		if (*path)
			r = make_absolute(path, CONFIG_PATH_SIZE);
		else if (*c->root)
			r = text_format(path, CONFIG_PATH_SIZE, "%s/%s", c->root,
					places[i].below_root);
		else
			r = text_copy(path, CONFIG_PATH_SIZE, places[i].usual);
	}
	if (r == 0 && !*c->cgroup) {
		if (*c->root)
			(void)text_format(c->cgroup, sizeof(c->cgroup), "ebb-%08x",
					  (unsigned int)text_hash(c->root, strlen(c->root)));
		else
			(void)text_copy(c->cgroup, sizeof(c->cgroup), "ebb");
	}
	if (r == 0 && !*c->libexec_dir)
		r = own_directory(c->libexec_dir, sizeof(c->libexec_dir));
	if (r == 0 && !*c->node && gethostname(c->node, sizeof(c->node) - 1) < 0)
		r = -errno;
	if (c->gateways == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);

		c->gateways = cores < 1                 ? 1
			      : cores > GATEWAYS_PAIRED ? GATEWAYS_PAIRED
							: (uint64_t)cores;
	}
	return r;
}

/* Host names arrive in small letters, so another domain would match none. */
static bool is_domain(const char *text)
{
	char labels[HOST_NAME_SIZE], *rest = labels, *label;
	bool good = text_copy(labels, sizeof(labels), text) == 0;

	while (good && (label = strsep(&rest, ".")))
		good = text_is_label(label);
	return good;
}

int config_check_fronts(const struct config *c, struct fault *f)
{
	if (!c->proxy_listeners || c->trusted_count > 0)
		return 0;
	(void)fault_say(f, -EINVAL, "trusted: nobody may connect to a listener with ,proxy");
	fault_mend(f, "name the networks of the fronts, --set trusted=10.0.0.0/8");
	return -EINVAL;
}

static int check(const struct config *c, struct fault *f)
{
	int r;

	if (log_level_parse(c->log_level) < 0)
		return fault_say(f, -EINVAL, "log_level: %s is not error, warn, info or debug",
				 c->log_level);
	if (*c->domain && !is_domain(c->domain)) {
		fault_say(f, -EINVAL, "domain: %s is not a name such as example.org", c->domain);
		fault_mend(f, "small letters, digits, - and dots");
		return -EINVAL;
	}
	if (strcmp(c->egress, "on") != 0 && strcmp(c->egress, "off") != 0)
		return fault_say(f, -EINVAL, "egress: %s is not on or off", c->egress);
	if (strcmp(c->egress_default, "none") != 0 && strcmp(c->egress_default, "internet") != 0)
		return fault_say(f, -EINVAL, "egress_default: %s is not none or internet",
				 c->egress_default);
	if (*c->status_listen && !has_port(c->status_listen))
		return fault_say(f, -EINVAL,
				 "status_listen: %s is not ADDR:PORT, such as 127.0.0.1:8079",
				 c->status_listen);
	r = pool_check(c, f);
	return r < 0 ? r : config_check_fronts(c, f);
}

int config_load(int argc, char **argv, struct config *out, struct fault *f)
{
	struct config c = {.log_level = "info", .egress = "on", .egress_default = "internet"};
	int r;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].kind == KEY_NUMBER)
			*(uint64_t *)((char *)&c + keys[i].offset) = keys[i].initial;
	r = parse_arguments(&c, argc, argv, f);
	if (r != 0)
		return r;
	c.default_listener = c.listener_count == 0;
	if (c.default_listener)
		(void)set_listen(&c, CONFIG_LISTEN, f);
	r = check(&c, f);
	if (r < 0)
		return r;
	if (complete(&c) < 0)
		return fault_say(f, -EINVAL, "--root: %s does not make usable paths", c.root);
	must(c.listener_count > 0 && c.gateways > 0 && c.gateways <= GATEWAYS_MAX);
	*out = c;
	return 0;
}

static bool same_networks(const struct config *a, const struct config *b)
{
	bool same = a->trusted_count == b->trusted_count;

	for (uint32_t i = 0; same && i < a->trusted_count; i++)
		same = a->trusted[i].bits == b->trusted[i].bits &&
		       memcmp(a->trusted[i].address, b->trusted[i].address,
			      sizeof(a->trusted[i].address)) == 0;
	return same;
}

bool config_same_listeners(const struct config *a, const struct config *b)
{
	bool same =
		a->listener_count == b->listener_count && a->proxy_listeners == b->proxy_listeners;

	for (uint32_t i = 0; same && i < a->listener_count; i++)
		same = strcmp(a->listeners[i], b->listeners[i]) == 0;
	return same;
}

static bool same_value(const struct key *k, const struct config *a, const struct config *b)
{
	const char *one = (const char *)a + k->offset, *other = (const char *)b + k->offset;

	switch (k->kind) {
	case KEY_LISTEN:
		return config_same_listeners(a, b);
	case KEY_TRUSTED:
		return same_networks(a, b);
	case KEY_NUMBER:
		return *(const uint64_t *)(const void *)one ==
		       *(const uint64_t *)(const void *)other;
	case KEY_TEXT:
		break;
	}
	return strcmp(one, other) == 0;
}

static void take_value(const struct key *k, struct config *c, const struct config *from)
{
	switch (k->kind) {
	case KEY_LISTEN:
		memcpy(c->listeners, from->listeners, sizeof(c->listeners));
		c->listener_count = from->listener_count;
		c->proxy_listeners = from->proxy_listeners;
		c->default_listener = from->default_listener;
		return;
	case KEY_TRUSTED:
		memcpy(c->trusted, from->trusted, sizeof(c->trusted));
		c->trusted_count = from->trusted_count;
		return;
	case KEY_NUMBER:
	case KEY_TEXT:
		memcpy((char *)c + k->offset, (const char *)from + k->offset,
		       k->kind == KEY_NUMBER ? sizeof(uint64_t) : k->size);
		return;
	}
}

void config_take(struct config *c, const struct config *next, struct config_change *out)
{
	size_t used[2] = {0};

	*out->live = *out->later = '\0';
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];
		char *names = k->time == LIVE ? out->live : out->later;

		if (same_value(k, c, next))
			continue;
		used[k->time] +=
			(size_t)snprintf(names + used[k->time], CONFIG_NAMES_SIZE - used[k->time],
					 "%s%s", used[k->time] ? " " : "", k->name);
		must(used[k->time] < CONFIG_NAMES_SIZE);
		if (k->time == LIVE)
			take_value(k, c, next);
	}
}

void config_print(const struct config *c)
{
	for (uint32_t i = 0; i < c->listener_count; i++)
		printf("listen = %s%s\n", c->listeners[i],
		       c->proxy_listeners >> i & 1 ? ",proxy" : "");
	for (uint32_t i = 0; i < c->trusted_count; i++) {
		char text[64];

		network_format(&c->trusted[i], text, sizeof(text));
		printf("trusted = %s\n", text);
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *field = (const char *)c + keys[i].offset;

		if (keys[i].kind == KEY_TEXT)
			printf("%s = %s\n", keys[i].name, field);
		else if (keys[i].kind == KEY_NUMBER)
			printf("%s = %" PRIu64 "\n", keys[i].name, *(const uint64_t *)field);
	}
}
