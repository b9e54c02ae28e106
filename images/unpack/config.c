// SPDX-License-Identifier: Apache-2.0
/* Makes a struct wire_image_config of the config of an image (OCI image-spec config.md). */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* Copies a list of strings into a blob, each ended by a NUL. */
static int read_strings(struct unpack *u, const char *key, const struct json *list, char *blob,
			size_t size, uint16_t *out_count)
{
	size_t used = 0;

	if (json_kind(list) != JSON_NULL && json_kind(list) != JSON_ARRAY)
		return unpack_fail(u, -EINVAL, "config: %s is not a list of strings", key);
	for (size_t i = 0; i < json_count(list); i++) {
		const char *text = json_string(json_at(list, i));

		if (!text)
			return unpack_fail(u, -EINVAL, "config: %s[%zu] is not a string", key, i);
		if (text_copy(blob + used, size - used, text) < 0)
			return unpack_fail(u, -E2BIG, "config: %s is over %zu bytes", key, size);
		used += strlen(text) + 1;
	}
	*out_count = (uint16_t)json_count(list);
	return 0;
}

/* The number of a signal such as "SIGTERM", "TERM", "15" or "SIGRTMIN+3"; 0 if the text
 * names none. */
static uint16_t signal_number(const char *text)
{
	static const struct {
		const char *name;
		uint16_t number;
	} names[] = {
		{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},   {"ABRT", SIGABRT},
		{"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},   {"PIPE", SIGPIPE},
		{"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CONT", SIGCONT},   {"STOP", SIGSTOP},
		{"PWR", SIGPWR},   {"URG", SIGURG},   {"WINCH", SIGWINCH}, {"IO", SIGIO},
	};
	uint64_t n;

	if (text_parse_u64(text, 1, 64, &n) == 0)
		return (uint16_t)n;
	if (strncmp(text, "SIG", 3) == 0)
		text += 3;
	if (strcmp(text, "RTMIN") == 0)
		return 34; /* SIGRTMIN of glibc, which uses signals 32 and 33 itself */
	if (strncmp(text, "RTMIN+", 6) == 0 && text_parse_u64(text + 6, 0, 30, &n) == 0)
		return (uint16_t)(34 + n);
	if (strncmp(text, "RTMAX-", 6) == 0 && text_parse_u64(text + 6, 0, 30, &n) == 0)
		return (uint16_t)(64 - n);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(text, names[i].name) == 0)
			return names[i].number;
	return 0;
}

static int read_stop_signal(struct unpack *u, const struct json *v)
{
	const char *text = json_string(v);

	if (!text || !text[0])
		return 0;
	u->config.stop_signal = signal_number(text);
	if (u->config.stop_signal == 0)
		return unpack_fail(u, -EINVAL, "config: StopSignal %.40s is no signal", text);
	return 0;
}

/* ExposedPorts, {"8080/tcp": {}}: if it names one TCP port, the function listens there. Several
 * ports are ignored. */
static void read_port(struct unpack *u, const struct json *ports)
{
	unsigned int tcp_count = 0;
	uint64_t port = 0;

	for (size_t i = 0; i < json_count(ports); i++) {
		char number[8];
		const char *key = json_key_at(ports, i), *slash = key ? strchr(key, '/') : NULL;

		if (!key || (slash && strcmp(slash, "/tcp") != 0))
			continue;
		if (text_format(number, sizeof(number), "%.*s",
				(int)(slash ? (size_t)(slash - key) : strlen(key)), key) == 0 &&
		    text_parse_u64(number, 1, 65535, &port) == 0)
			tcp_count++;
	}
	u->config.port = tcp_count == 1 ? (uint16_t)port : 0;
}

static int read_cwd(struct unpack *u, const struct json *v)
{
	const char *text = json_string(v);

	if (!text || !text[0])
		return 0;
	if (text[0] != '/')
		return unpack_fail(u, -EINVAL, "config: WorkingDir %.100s is not absolute", text);
	if (text_copy(u->config.cwd, sizeof(u->config.cwd), text) < 0)
		return unpack_fail(u, -ENAMETOOLONG, "config: WorkingDir is too long");
	return 0;
}

static int read_diff_ids(struct unpack *u, const struct json *list)
{
	size_t count = json_count(list);
	char what[40];

	if (json_kind(list) != JSON_ARRAY || count == 0)
		return unpack_fail(u, -EINVAL, "config: rootfs.diff_ids is empty");
	if (count > IMAGE_LAYERS_MAX)
		return unpack_fail(u, -E2BIG, "the image has %zu layers, at most %d are taken",
				   count, IMAGE_LAYERS_MAX);
	for (size_t i = 0; i < count; i++) {
		int r;

		(void)text_format(what, sizeof(what), "config: diff_id %zu", i + 1);
		r = digest_read(u, what, json_string(json_at(list, i)), u->diff_ids[i]);
		if (r < 0)
			return r;
	}
	u->layer_count = (uint32_t)count;
	return 0;
}

static int check_platform(struct unpack *u, const struct json *config)
{
	const char *os = json_string(json_get(config, "os"));
	const char *arch = json_string(json_get(config, "architecture"));

	if (platform_is_ours(os, arch))
		return 0;
	return unpack_fail(u, -ENOEXEC, "the image is for %.40s/%.40s, this host is linux/%s",
			   os ? os : "linux", arch ? arch : "?", oci_architecture());
}

int config_read(struct unpack *u, const struct json *image, const char **out_user)
{
	const struct json *c = json_get(image, "config");
	struct wire_image_config *to = &u->config;
	const char *user = json_string(json_get(c, "User"));
	int r = check_platform(u, image);

	if (r == 0)
		r = read_diff_ids(u, json_get(json_get(image, "rootfs"), "diff_ids"));
	if (r == 0)
		r = read_strings(u, "Entrypoint", json_get(c, "Entrypoint"), to->entrypoint,
				 sizeof(to->entrypoint), &to->entrypoint_count);
	if (r == 0)
		r = read_strings(u, "Cmd", json_get(c, "Cmd"), to->cmd, sizeof(to->cmd),
				 &to->cmd_count);
	if (r == 0)
		r = read_strings(u, "Env", json_get(c, "Env"), to->env, sizeof(to->env),
				 &to->env_count);
	if (r == 0)
		r = read_stop_signal(u, json_get(c, "StopSignal"));
	if (r == 0)
		r = read_cwd(u, json_get(c, "WorkingDir"));
	if (r < 0)
		return r;
	read_port(u, json_get(c, "ExposedPorts"));
	*out_user = user ? user : "";
	return 0;
}
