// SPDX-License-Identifier: Apache-2.0
#include "runtime/api/schema_parts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/blob.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

void schema_show(char *buf, size_t size, const struct json *value)
{
	struct json_out o;

	if (json_kind(value) == JSON_ARRAY || json_kind(value) == JSON_OBJECT) {
		snprintf(buf, size, "an %s", json_kind_name(json_kind(value)));
		return;
	}
	json_out_init(&o);
	json_out_value(&o, NULL, value);
	snprintf(buf, size, "%s", o.text ? o.text : "?");
	json_out_fini(&o);
}

/* ---- routePrefix ---- */

static bool is_prefix(const char *text)
{
	size_t n = strlen(text);

	if (*text != '/' || text[n - 1] == '/' || strstr(text, "//") || strstr(text, "/../") ||
	    strstr(text, "/./") || (n >= 2 && strcmp(text + n - 2, "/.") == 0) ||
	    (n >= 3 && strcmp(text + n - 3, "/..") == 0))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f ||
		    strchr("?#%\\\"", *text))
			return false;
	return true;
}

static void read_prefix(struct service_spec *spec, const struct service_spec *before,
			const struct json *value, const char *path, struct problem_list *errors)
{
	const char *text = json_string(value);
	char shown[80];

	if (text && !*text)
		return;
	schema_show(shown, sizeof(shown), value);
	if (!text || (strcmp(text, "/") != 0 && !is_prefix(text)))
		problem_add(errors, path, "%s is not a path such as \"/api\"", shown);
	else if (text_copy(spec->prefix, sizeof(spec->prefix), text) < 0)
		problem_add(errors, path, "%s is too long (..%zu bytes)", shown,
			    sizeof(spec->prefix) - 1);
}

static void write_prefix(struct json_out *o, const char *key, const struct service_spec *spec,
			 enum spec_view view)
{
	json_out_string(o, key, spec->prefix);
}

const struct schema_part schema_prefix = {read_prefix, write_prefix};

/* ---- hosts ---- */

/* Lower case into dst; labels of RFC 1123, the first may be "*" before others; no port. */
int schema_host(char *dst, size_t size, const char *text)
{
	char copy[HOST_NAME_SIZE];
	char *rest = copy, *label;

	if (text_copy(copy, sizeof(copy), text) < 0)
		return -EINVAL;
	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (text_copy(dst, size, copy) < 0)
		return -EINVAL;
	if (strncmp(copy, "*.", 2) == 0)
		rest += 2;
	while ((label = strsep(&rest, ".")) != NULL)
		if (!text_is_label(label)) {
			*dst = '\0';
			return -EINVAL;
		}
	return 0;
}

static void read_hosts(struct service_spec *spec, const struct service_spec *before,
		       const struct json *value, const char *path, struct problem_list *errors)
{
	if (json_kind(value) != JSON_ARRAY) {
		problem_add(errors, path, "must be a list of host names");
		return;
	}
	if (json_count(value) > SERVICE_HOSTS_MAX) {
		problem_add(errors, path, "%zu hosts are too many (..%d)", json_count(value),
			    SERVICE_HOSTS_MAX);
		return;
	}
	for (size_t i = 0; i < json_count(value); i++) {
		const char *text = json_string(json_at(value, i));
		char shown[80];

		if (text && schema_host(spec->hosts[spec->host_count], HOST_NAME_SIZE, text) == 0) {
			spec->host_count++;
			continue;
		}
		schema_show(shown, sizeof(shown), json_at(value, i));
		problem_add(
			errors, path,
			"%s is not a host name such as \"api.example.org\" or \"*.example.org\"",
			shown);
	}
}

static void write_hosts(struct json_out *o, const char *key, const struct service_spec *spec,
			enum spec_view view)
{
	json_out_array(o, key);
	for (uint32_t i = 0; i < spec->host_count; i++)
		json_out_string(o, NULL, spec->hosts[i]);
	json_out_end_array(o);
}

const struct schema_part schema_hosts = {read_hosts, write_hosts};

/* ---- command ---- */

static void read_command(struct service_spec *spec, const struct service_spec *before,
			 const struct json *value, const char *path, struct problem_list *errors)
{
	struct blob argv = {.memory = spec->command, .size = sizeof(spec->command)};
	int r = json_kind(value) == JSON_ARRAY ? blob_read(&argv, value) : -EINVAL;

	if (r == -E2BIG)
		problem_add(errors, path, "is too long (..%d bytes)", SPEC_COMMAND_SIZE);
	else if (r < 0)
		problem_add(errors, path, "must be a list of strings");
	else if (argv.count > 0 && !*spec->command)
		problem_add(errors, path, "names no program");
	else
		spec->command_count = argv.count;
}

static void write_command(struct json_out *o, const char *key, const struct service_spec *spec,
			  enum spec_view view)
{
	if (spec->command_count > 0)
		blob_write(o, key, spec->command, spec->command_count);
}

const struct schema_part schema_command = {read_command, write_command};

/* ---- capabilities ---- */

_Static_assert(WIRE_CAPABILITY_COUNT <= SETTING_WORDS_MAX, "a word of the setting for each");

/* "CHOWN", as Docker and Kubernetes spell it, or "CAP_CHOWN". */
static int capability_bit(const char *text, uint32_t *out)
{
	int word = setting_word(setting_of(SETTING_CAPABILITIES),
				strncmp(text, "CAP_", 4) == 0 ? text + 4 : text);

	if (word < 0)
		return -EINVAL;
	*out = 1u << word;
	return 0;
}

static void read_capabilities(struct service_spec *spec, const struct service_spec *before,
			      const struct json *value, const char *path,
			      struct problem_list *errors)
{
	if (json_kind(value) != JSON_ARRAY) {
		problem_add(errors, path, "must be a list of names such as \"CHOWN\"");
		return;
	}
	spec->capabilities = SPEC_CAPABILITIES_GIVEN;
	for (size_t i = 0; i < json_count(value); i++) {
		const char *text = json_string(json_at(value, i));
		char shown[80], words[96];
		uint32_t bit;

		if (text && capability_bit(text, &bit) == 0) {
			spec->capabilities |= bit;
			continue;
		}
		schema_show(shown, sizeof(shown), json_at(value, i));
		problem_add(errors, path, "%s is none that an instance may have (%s)", shown,
			    setting_words(setting_of(SETTING_CAPABILITIES), words, sizeof(words)));
	}
}

static void write_capabilities(struct json_out *o, const char *key, const struct service_spec *spec,
			       enum spec_view view)
{
	if (spec->capabilities == SPEC_CAPABILITIES_DEFAULT)
		return;
	json_out_array(o, key);
	for (uint32_t i = 0; i < WIRE_CAPABILITY_COUNT; i++)
		if (spec->capabilities & 1u << i)
			json_out_string(o, NULL, setting_of(SETTING_CAPABILITIES)->words[i]);
	json_out_end_array(o);
}

const struct schema_part schema_capabilities = {read_capabilities, write_capabilities};
