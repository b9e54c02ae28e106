// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/rules/build_inside.h"

/* The group that is read. */
struct group_of {
	struct building *b;
	const struct json *json;
	bool of_site;
	const char *before; /* of paths: "" or "services.api." */
};

static uint16_t service_number(const struct building *b, const char *name)
{
	for (uint16_t i = 0; name && i < b->table->service_count; i++)
		if (strcmp(b->table->services[i], name) == 0)
			return i;
	return RULES_NONE;
}

/* ---- one rule ---- */

/* How each path begins that the expression matches; whether that is all of it. */
static void find_literal(struct building *b)
{
	char text[256];
	size_t n = 0;
	uint16_t i = 0;

	while (i < b->regex.head.inst_count && b->regex.insts[i].op == REGEX_BEGIN)
		i++;
	for (; i < b->regex.head.inst_count && n < sizeof(text); i++) {
		const struct regex_inst *inst = &b->regex.insts[i];

		if (inst->op == REGEX_BYTE)
			text[n++] = (char)inst->byte;
		else if (inst->op != REGEX_SAVE)
			break;
	}
	b->rule.literal = build_add(b, text, n, 4);
	b->rule.whole = i + 1 < b->regex.head.inst_count && b->regex.insts[i].op == REGEX_END &&
			b->regex.insts[i + 1].op == REGEX_MATCH && b->regex.head.group_count == 1 &&
			n > 0;
}

static bool begin_rule(struct building *b, const struct json *json)
{
	const struct json *source = json_get(json, "source");
	const char *text = json_string(source), *why = "is too long";

	b->rule = (struct rule){.service = RULES_NONE, .ends = 1};
	build_conds(b, json);
	if (!text) {
		build_refuse(b, ".source", source, "is not a path, as \"/blog/:slug\"");
		return false;
	}
	if (text[0] != '/' && text[0] != '(' && text[0] != ':' && text[0] != '{') {
		build_refuse(b, ".source", source, "does not begin with /");
		return false;
	}
	if (source_read(text, &b->source, &why) < 0) {
		build_refuse(b, ".source", source, why);
		return false;
	}
	b->rule.regex = build_regex(b, b->source.text, b->source.size, ".source", source);
	if (b->rule.regex.size)
		find_literal(b);
	return b->rule.regex.size > 0;
}

static void end_rule(struct building *b, enum rule_kind kind)
{
	b->rule.kind = (uint8_t)kind;
	b->rule.conds = build_add(b, b->conds, b->cond_count * sizeof(b->conds[0]), 8);
	if (b->table->rule_count == RULES_MAX) {
		if (!b->failed)
			build_refuse(b, "", NULL, "is one rule too many (..2048 of a file)");
		return;
	}
	b->rules[b->table->rule_count++] = b->rule;
}

static struct rules_text destination(struct building *b, const struct json *value,
				     const char *member, enum destination_kind kind)
{
	const char *text = json_string(value), *why = "is not a path or an address";

	if (text && *text && strpbrk(text, "\r\n\t"))
		text = NULL;
	if (!text || !*text ||
	    destination_read(text, kind, &b->source, &b->names, &b->text, &why) < 0) {
		build_refuse(b, member, value, why);
		return (struct rules_text){0, 0};
	}
	return build_template(b, b->text.text, b->text.size);
}

static void read_redirect(struct group_of *g, const struct json *json)
{
	static const int64_t known[] = {301, 302, 303, 307, 308};
	struct building *b = g->b;
	const struct json *code = json_get(json, "statusCode"),
			  *permanent = json_get(json, "permanent");
	int64_t status = 308;
	bool fine = false;

	if (code && permanent)
		build_refuse(b, ".statusCode", code, "stands beside permanent: only one may");
	if (permanent && json_kind(permanent) != JSON_BOOL)
		build_refuse(b, ".permanent", permanent, "is not true or false");
	else if (permanent)
		status = json_is_true(permanent) ? 308 : 307;
	if (code && json_int(code, &status) < 0)
		status = 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		fine |= known[i] == status;
	if (!fine)
		build_refuse(b, ".statusCode", code, "is not one of: 301 302 303 307 308");
	if (!begin_rule(b, json))
		return;
	b->rule.status = (uint16_t)status;
	b->rule.to =
		destination(b, json_get(json, "destination"), ".destination", DESTINATION_REDIRECT);
	end_rule(b, RULE_REDIRECT);
}

/* ---- headers ---- */

static bool is_token(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c >= 127 || strchr("\"(),/:;<=>?@[\\]{}", *c))
			return false;
	return *text != '\0';
}

/* Fields by which connections are kept in order: no file changes them. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {"connection", "content-length", "transfer-encoding",
					    "keep-alive", "upgrade",        "te",
					    "trailer",    "date",           "content-encoding"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return strncasecmp(name, "x-ebb-", 6) == 0;
}

static struct rules_text header_text(struct building *b, const char *text, const char *member,
				     const struct json *value)
{
	const char *why = "is too long";

	if (destination_of_header(text, &b->source, &b->names, &b->text, &why) < 0) {
		build_refuse(b, member, value, why);
		return (struct rules_text){0, 0};
	}
	return build_template(b, b->text.text, b->text.size);
}

static bool read_field(struct building *b, const struct json *json, const char *member,
		       struct rule_field *field)
{
	const char *name = json_string(json_get(json, "key"));
	const char *value = json_string(json_get(json, "value"));

	if (!name || !is_token(name) || is_reserved(name)) {
		build_refuse(b, member, json,
			     "has a key that is no name of a header, or one of HTTP itself");
		return false;
	}
	if (!value || strpbrk(value, "\r\n")) {
		build_refuse(b, member, json, "has a value that is no line of text");
		return false;
	}
	field->name = header_text(b, name, member, json);
	field->value = header_text(b, value, member, json);
	return true;
}

static void read_headers(struct group_of *g, const struct json *json)
{
	struct building *b = g->b;
	const struct json *list = json_get(json, "headers");
	struct rule_field fields[RULES_FIELDS_MAX];
	size_t count = 0;

	if (!begin_rule(b, json))
		return;
	if (json_kind(list) != JSON_ARRAY || json_count(list) == 0 ||
	    json_count(list) > RULES_FIELDS_MAX) {
		build_refuse(b, ".headers", list, "is not a list of 1..32 {\"key\", \"value\"}");
		return;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		char member[32];

		(void)text_format(member, sizeof(member), ".headers[%zu]", i);
		count += read_field(b, json_at(list, i), member, &fields[count]);
	}
	b->rule.fields = build_add(b, fields, count * sizeof(fields[0]), 8);
	end_rule(b, RULE_HEADERS);
}

/* ---- rewrites ---- */

/* The transform of the path, if there is one; it is what the service sees. */
static const struct json *path_transform(struct building *b, const struct json *json)
{
	const struct json *list = json_get(json, "transforms"), *found = NULL;

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *t = json_at(list, i);
		const char *type = json_string(json_get(t, "type")),
			   *op = json_string(json_get(t, "op"));
		char member[32];

		(void)text_format(member, sizeof(member), ".transforms[%zu]", i);
		if (type && op && strcmp(type, "request.path") == 0 && strcmp(op, "set") == 0)
			found = json_get(t, "args");
		else
			build_warn(b, member, t, "is left out: only request.path can be set");
	}
	return found;
}

static void to_service(struct building *b, const struct json *json, const struct json *to)
{
	const struct json *name = json_get(to, "service"), *path = json_get(to, "path");
	const struct json *seen = path_transform(b, json);

	b->rule.target = RULE_TO_SERVICE;
	b->rule.service = service_number(b, json_string(name));
	if (b->rule.service == RULES_NONE)
		build_refuse(b, ".destination.service", name, "is no service of this file");
	if (seen) {
		b->rule.to = destination(b, seen, ".transforms", DESTINATION_REDIRECT);
		b->rule.sets = 1;
	} else if (path) {
		b->rule.to = destination(b, path, ".destination.path", DESTINATION_REDIRECT);
		if (b->rule.service != RULES_NONE && !b->table->files[b->rule.service])
			build_warn(b, ".destination.path", path,
				   "selects among the service's own rules only: its program sees "
				   "the path "
				   "that the client asked for (transforms set request.path)");
	}
}

static void to_path(struct group_of *g, const struct json *to, bool ends)
{
	struct building *b = g->b;
	const char *text = json_string(to);

	b->rule.target = RULE_TO_PATH;
	b->rule.sets = 1;
	b->rule.ends = ends;
	if (text && (strstr(text, "://") || strncmp(text, "//", 2) == 0)) {
		build_warn(
			b, ".destination", to,
			"is another host: ebb fetches nothing from there, and answers 404 for this "
			"source (a redirect can lead there)");
		b->rule.target = RULE_TO_NOWHERE;
		return;
	}
	if (text && text[0] != '/' && text[0] != ':' && text[0] != '$') {
		build_refuse(b, ".destination", to, "does not begin with /");
		return;
	}
	b->rule.to = destination(b, to, ".destination", DESTINATION_REWRITE);
}

/* In a file whose rewrites lead into services, a path goes on to them; else the first one that
 * matches is the last. */
static bool leads_into_services(const struct json *list)
{
	for (size_t i = 0; i < json_count(list); i++)
		if (json_kind(json_get(json_at(list, i), "destination")) == JSON_OBJECT)
			return true;
	return false;
}

static void read_rewrite(struct group_of *g, const struct json *json)
{
	struct building *b = g->b;
	const struct json *to = json_get(json, "destination");

	if (!begin_rule(b, json))
		return;
	if (json_get(json, "statusCode"))
		build_warn(b, ".statusCode", json_get(json, "statusCode"),
			   "is left out: the service says the status");
	if (json_kind(to) == JSON_OBJECT && !g->of_site)
		build_refuse(b, ".destination", to,
			     "is a service: only rewrites of the file lead into one");
	else if (json_kind(to) == JSON_OBJECT)
		to_service(b, json, to);
	else
		to_path(g, to, !g->of_site || !leads_into_services(json_get(g->json, "rewrites")));
	end_rule(b, RULE_REWRITE);
}

/* ---- cleanUrls and trailingSlash ---- */

static void add_plain(struct building *b, const char *regex, const char *to)
{
	b->rule = (struct rule){.service = RULES_NONE, .status = 308};
	b->cond_count = b->names.count = 0;
	b->source.key_count = 1;
	b->rule.regex = build_regex(b, regex, strlen(regex), "", NULL);
	find_literal(b);
	b->rule.target = to ? RULE_TO_PATH : RULE_TO_NOWHERE;
	if (to)
		b->rule.to = build_template(b, to, strlen(to));
	end_rule(b, RULE_REDIRECT);
}

static bool read_flag(struct group_of *g, const char *key, bool *given)
{
	const struct json *value = json_get(g->json, key);

	*given = value != NULL;
	(void)text_format(g->b->path, BUILD_PATH_SIZE, "%s%s", g->before, key);
	if (value && json_kind(value) != JSON_BOOL)
		build_refuse(g->b, "", value, "is not true or false");
	return json_is_true(value);
}

static void add_tidy(struct group_of *g)
{
	bool given, slash_given, clean, slash;

	clean = read_flag(g, "cleanUrls", &given);
	slash = read_flag(g, "trailingSlash", &slash_given);
	if (clean) {
		add_plain(g->b, "^/(?:(.+)/)?index(?:\\.html)?/?$", slash ? "/$1/" : "/$1");
		add_plain(g->b, "^/(.*)\\.html/?$", slash ? "/$1/" : "/$1");
	}
	if (!slash_given)
		return;
	if (!slash) {
		add_plain(g->b, "^/(.*)/$", "/$1");
		return;
	}
	add_plain(g->b, "^/\\.well-known(?:/.*)?$", NULL);
	add_plain(g->b, "^/((?:[^/]+/)*[^/\\.]+)$", "/$1/");
	add_plain(g->b, "^/((?:[^/]+/)*[^/]+\\.\\w+)/$", "/$1");
}

/* ---- groups ---- */

static void read_rules(struct group_of *g, enum rule_kind kind)
{
	static const struct {
		const char *key;
		void (*read)(struct group_of *, const struct json *);
	} how[RULE_KINDS] = {[RULE_REDIRECT] = {"redirects", read_redirect},
			     [RULE_HEADERS] = {"headers", read_headers},
			     [RULE_REWRITE] = {"rewrites", read_rewrite}};
	const struct json *list = json_get(g->json, how[kind].key);
	struct building *b = g->b;

	if (kind == RULE_REDIRECT)
		add_tidy(g);
	(void)text_format(b->path, sizeof(b->path), "%s%s", g->before, how[kind].key);
	if (list && json_kind(list) != JSON_ARRAY)
		build_refuse(b, "", list, "is not a list of rules");
	for (size_t i = 0; json_kind(list) == JSON_ARRAY && i < json_count(list); i++) {
		(void)text_format(b->path, sizeof(b->path), "%s%s[%zu]", g->before, how[kind].key,
				  i);
		if (json_kind(json_at(list, i)) == JSON_OBJECT)
			how[kind].read(g, json_at(list, i));
		else
			build_refuse(b, "", json_at(list, i), "is not an object");
	}
}

static void read_group(struct building *b, const struct json *json, uint16_t number,
		       uint16_t service, const char *before)
{
	struct rules_group group = {.service = service};
	struct group_of g = {
		.b = b, .json = json, .of_site = service == RULES_NONE, .before = before};

	for (size_t kind = 0; kind < RULE_KINDS; kind++) {
		uint16_t from = b->table->rule_count;

		read_rules(&g, (enum rule_kind)kind);
		group.first[kind] = from;
		group.count[kind] = (uint16_t)(b->table->rule_count - from);
	}
	b->table->groups[number] = group;
}

static bool has_rules(const struct json *service)
{
	static const char *const keys[] = {"rewrites", "redirects", "headers", "cleanUrls",
					   "trailingSlash"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_get(service, keys[i]))
			return true;
	return false;
}

static void read_services(struct building *b, const struct json *services)
{
	int64_t revision;

	(void)text_copy(b->path, sizeof(b->path), "services");
	if (services && json_kind(services) != JSON_OBJECT) {
		build_refuse(b, "", services, "is not an object of services");
		return;
	}
	if (json_count(services) > RULES_SERVICES_MAX) {
		build_refuse(b, "", NULL, "are too many for a file with rules (..64)");
		return;
	}
	for (size_t i = 0; i < json_count(services); i++) {
		const char *name = json_key_at(services, i);

		if (text_copy(b->table->services[i], RULES_NAME_SIZE, name) < 0)
			build_refuse(b, "", json_at(services, i), "has a name that is too long");
		b->table->files[i] = json_is_true(json_get(json_at(services, i), "files"));
		if (json_int(json_get(json_at(services, i), "revision"), &revision) == 0 &&
		    revision > 0 && revision <= UINT32_MAX)
			b->table->revisions[i] = (uint32_t)revision;
		b->table->service_count++;
	}
}

static void read_site(struct building *b, const struct json *site)
{
	const struct json *services = json_get(site, "services");
	const struct json *otherwise = json_get(site, "otherwise");
	char before[RULES_NAME_SIZE + 16];
	struct rules_text rules;

	read_services(b, services);
	b->table->passes = json_is_true(json_get(site, "passes"));
	b->table->otherwise = service_number(b, json_string(otherwise));
	(void)text_copy(b->path, sizeof(b->path), "otherwise");
	if (otherwise && b->table->otherwise == RULES_NONE)
		build_refuse(b, "", otherwise, "is no service of this file");
	b->table->group_count = 1;
	read_group(b, site, 0, RULES_NONE, "");
	for (uint16_t i = 0; i < b->table->service_count && !b->no_memory; i++) {
		if (!has_rules(json_at(services, i)) || b->table->group_count == RULES_GROUPS_MAX)
			continue;
		(void)text_format(before, sizeof(before), "services.%.63s.", b->table->services[i]);
		read_group(b, json_at(services, i), b->table->group_count, i, before);
		b->table->group_count++;
	}
	/* The table may move: it is looked up again behind the call. */
	rules = build_add(b, b->rules, b->table->rule_count * sizeof(b->rules[0]), 8);
	b->table->rules = rules;
}

int rules_build(const struct json *site, const struct rules_listener *listener,
		struct rules_table **out)
{
	struct building *b = calloc(1, sizeof(*b));
	int r = -ENOMEM;

	if (!b)
		return r;
	b->listener = listener;
	b->capacity = sizeof(*b->table) * 2;
	b->table = calloc(1, b->capacity);
	b->rules = calloc(RULES_MAX, sizeof(*b->rules));
	if (b->table && b->rules) {
		b->table->magic = RULES_MAGIC;
		b->table->size = sizeof(*b->table);
		read_site(b, site);
		r = b->no_memory ? -ENOMEM : b->failed ? -EINVAL : 0;
	}
	if (r == 0)
		must(rules_valid(b->table, b->table->size));
	if (r == 0)
		*out = keep_mem(b->table);
	free(b->table);
	free(b->rules);
	free(b);
	return r;
}
