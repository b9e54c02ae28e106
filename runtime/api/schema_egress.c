// SPDX-License-Identifier: Apache-2.0
/* ebb.egress: names, subnets and ports, from text into the fixed form that ebbd gets. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/schema_parts.h"
#include "runtime/base/ip.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define MAPPED_BITS   96 /* of ::ffff:a.b.c.d in front of the IPv4 address */
#define PORT_MAX      65535
#define HOST_INTERNAL "host.internal"

static int wrong(const char **why, const char *what)
{
	*why = what;
	return -EINVAL;
}

/* ---- one subnet ---- */

/* A text in three parts, each of which ends the one before: ADDRESS, "/" BITS, ":" PORT. */
struct parts {
	char address[INET6_ADDRSTRLEN];
	char bits[8], port[8]; /* "": absent */
};

/* From text up to (not with) end. */
static int copy_part(char *out, size_t size, const char *text, const char *end)
{
	if ((size_t)(end - text) >= size)
		return -EINVAL;
	memcpy(out, text, (size_t)(end - text));
	out[end - text] = '\0';
	return 0;
}

/* Behind the address: nothing, /BITS, :PORT or /BITS:PORT. */
static int split_rest(const char *rest, struct parts *out)
{
	const char *colon = strchr(rest, ':'), *end = colon ? colon : rest + strlen(rest);

	if (*rest == '/' &&
	    (end == rest + 1 || copy_part(out->bits, sizeof(out->bits), rest + 1, end) < 0))
		return -EINVAL;
	if (*rest != '/' && *rest != ':' && *rest != '\0')
		return -EINVAL;
	if (colon && (colon[1] == '\0' || text_copy(out->port, sizeof(out->port), colon + 1) < 0))
		return -EINVAL;
	return 0;
}

static int split(const char *text, struct parts *out)
{
	const char *first = strchr(text, ':'), *end = strpbrk(text, "/");

	if (*text == '[') {
		const char *close = strchr(text, ']');

		if (!close || copy_part(out->address, sizeof(out->address), text + 1, close) < 0)
			return -EINVAL;
		return split_rest(close + 1, out);
	}
	/* One colon in an address without brackets begins a port: IPv6 has two at least. */
	if (!end && first && !strchr(first + 1, ':'))
		end = first;
	if (!end)
		end = text + strlen(text);
	if (copy_part(out->address, sizeof(out->address), text, end) < 0)
		return -EINVAL;
	return split_rest(end, out);
}

static bool has_bits_behind(const struct wire_subnet *s)
{
	for (uint32_t bit = s->bits; bit < 128; bit++)
		if (s->address[bit / 8] >> (7 - bit % 8) & 1)
			return true;
	return false;
}

static int read_address(const struct parts *p, struct wire_subnet *out)
{
	bool v4 = !strchr(p->address, ':');

	if (v4)
		out->address[10] = out->address[11] = 0xff;
	return inet_pton(v4 ? AF_INET : AF_INET6, p->address, out->address + (v4 ? 12 : 0)) == 1
		       ? 0
		       : -EINVAL;
}

static int read_port(const char *text, uint16_t *out)
{
	uint64_t port;

	if (text_parse_u64(text, 1, PORT_MAX, &port) < 0)
		return -EINVAL;
	*out = (uint16_t)port;
	return 0;
}

/* Reads "10.0.0.5/32:5432", "10.0.0.0/8", "2001:db8::1", "[2001:db8::1]:443" or "fd00::/64:443". 0,
 * or -EINVAL with the fault in *why (a static text). */
static int subnet_parse(const char *text, struct wire_subnet *out, const char **why)
{
	struct wire_subnet s = {.port_last = PORT_MAX};
	struct parts p = {.bits = ""};
	uint64_t whole, bits;

	if (split(text, &p) < 0 || read_address(&p, &s) < 0)
		return wrong(why, "is not an address or a network, such as \"10.0.0.5/32:5432\" or "
				  "\"[2001:db8::1]:443\"");
	whole = strchr(p.address, ':') ? 128 : 32;
	bits = whole;
	if (*p.bits && text_parse_u64(p.bits, 0, whole, &bits) < 0)
		return wrong(why, whole == 32 ? "has a wrong prefix (0..32)"
					      : "has a wrong prefix (0..128)");
	s.bits = (uint32_t)bits + (whole == 32 ? MAPPED_BITS : 0);
	if (has_bits_behind(&s))
		return wrong(why, "has bits behind its prefix: write the first address of the "
				  "network");
	if (*p.port && read_port(p.port, &s.port_first) < 0)
		return wrong(why, "has a wrong port (1..65535)");
	if (*p.port)
		s.port_last = s.port_first;
	*out = s;
	return 0;
}

static void subnet_format(const struct wire_subnet *s, char *out, size_t size)
{
	bool v4 = s->bits >= MAPPED_BITS && ip_is_v4(s->address);
	char address[INET6_ADDRSTRLEN] = "", port[8] = "";

	inet_ntop(v4 ? AF_INET : AF_INET6, s->address + (v4 ? 12 : 0), address, sizeof(address));
	if (s->port_first)
		snprintf(port, sizeof(port), ":%u", s->port_first);
	snprintf(out, size, "%s/%u%s", address, s->bits - (v4 ? MAPPED_BITS : 0), port);
}

/* Reads "host.internal:5432". 0, -ENOENT for another name, or -EINVAL with the fault in *why. */
static int host_parse(const char *text, uint16_t *out_port, const char **why)
{
	size_t n = strlen(HOST_INTERNAL);

	if (strncmp(text, HOST_INTERNAL, n) != 0 || (text[n] != ':' && text[n] != '\0'))
		return -ENOENT;
	if (text[n] == '\0' || read_port(text + n + 1, out_port) < 0)
		return wrong(why, "needs a port (host.internal:1..65535)");
	return 0;
}

/* ---- a name ---- */

static bool is_label(const char *at, size_t size)
{
	if (size == 0 || size > 63 || at[0] == '-' || at[size - 1] == '-')
		return false;
	for (size_t i = 0; i < size; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-_", at[i]))
			return false;
	return true;
}

/* Labels between dots; the first may be "*". The last one has a letter, or the name is an address
 * (RFC 1123, section 2.1). */
static bool has_labels(const char *name)
{
	const char *at = name, *dot;

	if (strcmp(name, "*") == 0)
		return true;
	if (strncmp(at, "*.", 2) == 0)
		at += 2;
	for (; (dot = strchr(at, '.')) != NULL; at = dot + 1)
		if (!is_label(at, (size_t)(dot - at)))
			return false;
	return is_label(at, strlen(at)) && at[strspn(at, "0123456789")] != '\0';
}

static bool is_internal(const char *name)
{
	const char *dot = strrchr(name, '.');

	return strcmp(dot ? dot + 1 : name, "internal") == 0;
}

/* Capitals mean the same as small letters, and a dot at the end nothing. */
static int copy_name(char *out, size_t size, const char *text, size_t length)
{
	if (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length >= size)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
	out[length] = '\0';
	return 0;
}

/* Reads "api.example.com", "*.example.org:443" or "*". 0, or -EINVAL with the fault in *why. */
static int name_parse(const char *text, struct wire_egress_name *out, const char **why)
{
	struct wire_egress_name n = {.port = 0};
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);

	if (copy_name(n.name, sizeof(n.name), text, length) < 0 || !has_labels(n.name))
		return wrong(why,
			     "is not a name, such as \"api.example.com\", \"*.example.org:443\" "
			     "or \"host.internal:PORT\"; addresses stand in subnets");
	if (colon && read_port(colon + 1, &n.port) < 0)
		return wrong(why, "has a wrong port (1..65535)");
	if (is_internal(n.name))
		return wrong(why, "is answered by ebb itself, which knows host.internal only");
	*out = n;
	return 0;
}

/* ---- the setting ---- */

struct reading {
	struct problem_list *errors;
	const char *path;
};

static void refuse(const struct reading *r, const char *key, int at, const struct json *value,
		   const char *what)
{
	char path[96], shown[80];

	schema_show(shown, sizeof(shown), value);
	if (at < 0)
		(void)text_format(path, sizeof(path), "%s%s", r->path, key);
	else
		(void)text_format(path, sizeof(path), "%s%s[%d]", r->path, key, at);
	problem_add(r->errors, path, "%s %s", shown, what);
}

/* Calls each for all texts of a list with at most max elements; key names the list. */
static void read_list(const struct reading *r, const char *key, const struct json *list, int max,
		      void (*each)(const struct reading *r, const char *key, int at,
				   const struct json *value, struct wire_egress *out),
		      struct wire_egress *out)
{
	char many[48];
	int count = (int)json_count(list);

	if (json_kind(list) == JSON_NULL)
		return;
	(void)text_format(many, sizeof(many), "has too many entries (..%d)", max);
	if (json_kind(list) != JSON_ARRAY)
		refuse(r, key, -1, list, "is not a list of texts");
	else if (count > max)
		refuse(r, key, -1, list, many);
	for (int i = 0; json_kind(list) == JSON_ARRAY && i < count && count <= max; i++) {
		if (json_string(json_at(list, (size_t)i)))
			each(r, key, i, json_at(list, (size_t)i), out);
		else
			refuse(r, key, i, json_at(list, (size_t)i), "is not a text");
	}
}

static void read_name(const struct reading *r, const char *key, int at, const struct json *value,
		      struct wire_egress *out)
{
	const char *text = json_string(value), *why = "is one entry too many (..16)";
	struct wire_egress_name name;
	uint16_t port;
	int is_host = host_parse(text, &port, &why);

	_Static_assert(EGRESS_NAMES_MAX == 16 && EGRESS_HOST_PORTS_MAX == 16, "so it says");
	if (is_host == 0 && out->host_port_count < EGRESS_HOST_PORTS_MAX)
		out->host_ports[out->host_port_count++] = port;
	else if (is_host == -ENOENT && out->name_count < EGRESS_NAMES_MAX &&
		 name_parse(text, &name, &why) == 0)
		out->names[out->name_count++] = name;
	else
		refuse(r, key, at, value, why);
}

static void read_allowed(const struct reading *r, const char *key, int at, const struct json *value,
			 struct wire_egress *out)
{
	const char *why = NULL;

	if (subnet_parse(json_string(value), &out->allow[out->allow_count], &why) == 0)
		out->allow_count++;
	else
		refuse(r, key, at, value, why);
}

static void read_denied(const struct reading *r, const char *key, int at, const struct json *value,
			struct wire_egress *out)
{
	const char *why = NULL;

	if (subnet_parse(json_string(value), &out->deny[out->deny_count], &why) == 0)
		out->deny_count++;
	else
		refuse(r, key, at, value, why);
}

/* An unknown key is an error here, not a warning as elsewhere: a misspelt key would open or close
 * something that the user did not mean. */
static void check_keys(const struct reading *r, const char *prefix, const struct json *object,
		       const char *first, const char *second)
{
	for (size_t i = 0; i < json_count(object); i++) {
		const char *name = json_key_at(object, i);
		char path[96];

		if (strcmp(name, first) == 0 || strcmp(name, second) == 0)
			continue;
		(void)text_format(path, sizeof(path), "%s%s.%.40s", r->path, prefix, name);
		problem_add(r->errors, path, "is not a known key (\"%s\", \"%s\")", first, second);
	}
}

static void read_policy(const struct reading *r, const struct json *value, struct wire_egress *out)
{
	const struct json *subnets = json_get(value, "subnets");

	out->mode = WIRE_EGRESS_LISTED;
	check_keys(r, "", value, "allow", "subnets");
	read_list(r, ".allow", json_get(value, "allow"), EGRESS_HOST_PORTS_MAX + EGRESS_NAMES_MAX,
		  read_name, out);
	if (json_kind(subnets) == JSON_NULL)
		return;
	if (json_kind(subnets) != JSON_OBJECT) {
		refuse(r, ".subnets", -1, subnets, "is not an object (\"allow\", \"deny\")");
		return;
	}
	check_keys(r, ".subnets", subnets, "allow", "deny");
	read_list(r, ".subnets.allow", json_get(subnets, "allow"), EGRESS_SUBNETS_MAX, read_allowed,
		  out);
	read_list(r, ".subnets.deny", json_get(subnets, "deny"), EGRESS_SUBNETS_MAX, read_denied,
		  out);
}

static void read_egress(struct service_spec *spec, const struct service_spec *before,
			const struct json *value, const char *path, struct problem_list *errors)
{
	const struct setting *setting = setting_of(SETTING_EGRESS);
	const struct reading r = {errors, path};
	int word = setting_word(setting, json_string(value));

	_Static_assert(WIRE_EGRESS_LISTED == 2, "the words of the setting come first");
	if (json_kind(value) == JSON_OBJECT)
		read_policy(&r, value, &spec->egress);
	else if (word >= 0)
		spec->egress.mode = (uint32_t)word;
	else
		refuse(&r, "", -1, value,
		       "is not \"none\", \"internet\" or an object (\"allow\", \"subnets\")");
}

static void write_subnets(struct json_out *o, const char *key, const struct wire_subnet *list,
			  uint32_t count)
{
	char text[80];

	json_out_array(o, key);
	for (uint32_t i = 0; i < count; i++) {
		subnet_format(&list[i], text, sizeof(text));
		json_out_string(o, NULL, text);
	}
	json_out_end_array(o);
}

static void write_policy(struct json_out *o, const char *key, const struct wire_egress *e)
{
	char text[sizeof(e->names[0].name) + 8], port[8];

	json_out_object(o, key);
	json_out_array(o, "allow");
	for (uint32_t i = 0; i < e->host_port_count; i++) {
		snprintf(text, sizeof(text), HOST_INTERNAL ":%u", e->host_ports[i]);
		json_out_string(o, NULL, text);
	}
	for (uint32_t i = 0; i < e->name_count; i++) {
		snprintf(port, sizeof(port), ":%u", e->names[i].port);
		snprintf(text, sizeof(text), "%s%s", e->names[i].name,
			 e->names[i].port ? port : "");
		json_out_string(o, NULL, text);
	}
	json_out_end_array(o);
	json_out_object(o, "subnets");
	write_subnets(o, "allow", e->allow, e->allow_count);
	write_subnets(o, "deny", e->deny, e->deny_count);
	json_out_end_object(o);
	json_out_end_object(o);
}

static void write_egress(struct json_out *o, const char *key, const struct service_spec *spec,
			 enum spec_view view)
{
	if (spec->egress.mode == WIRE_EGRESS_LISTED)
		write_policy(o, key, &spec->egress);
	else
		json_out_string(o, key, setting_of(SETTING_EGRESS)->words[spec->egress.mode]);
}

const struct schema_part schema_egress = {read_egress, write_egress};
