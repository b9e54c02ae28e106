// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/apply.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/rules/look.h"

#define STEPS_MAX  (1u << 20) /* of matching, for one request: some 10 ms */
#define PLACE_MAX  (2 * REGEX_TEXT_MAX)
#define FIELDS_MAX 8192u

struct rules_room {
	struct look look;
	unsigned int place; /* the one of the two below that is in use */
	char places[2][PLACE_MAX];
	char fields[FIELDS_MAX];
};

struct rules_room *rules_room_new(void)
{
	struct rules_room *room = calloc(1, sizeof(*room));

	if (room)
		room->look.regex = regex_room_new();
	if (room && !room->look.regex) {
		free(room);
		return NULL;
	}
	return room;
}

void rules_room_free(struct rules_room *room)
{
	if (room)
		regex_room_free(room->look.regex);
	free(room);
}

/* One request on its way through the groups. */
struct walk {
	const struct rules_table *table;
	struct rules_room *room;
	const struct rules_request *request;
	struct rules_result *out;
	char *fields;             /* where the next one goes */
	struct rules_slice place; /* path and query as the rules made them; or at NULL */
	bool seen;
};

static const struct rule *rules_of(const struct walk *w, const struct rules_group *g,
				   enum rule_kind kind)
{
	return (const struct rule *)rules_at(w->table, w->table->rules) + g->first[kind];
}

static void end_with(struct walk *w, enum rules_outcome outcome)
{
	w->out->outcome = outcome;
}

/* Adds the query of the request to what stands from begin to *at, in front of a hash. */
static bool add_query(const struct walk *w, const char *begin, char **at, const char *end)
{
	struct rules_slice query = w->request->query;
	char *hash = memchr(begin, '#', (size_t)(*at - begin));
	char *to = hash ? hash : *at;
	bool some = memchr(begin, '?', (size_t)(to - begin)) != NULL;

	if (query.size == 0)
		return true;
	if ((size_t)(end - *at) < query.size + 1)
		return false;
	memmove(to + query.size + 1, to, (size_t)(*at - to));
	*to = some ? '&' : '?';
	memcpy(to + 1, query.at, query.size);
	*at += query.size + 1;
	return true;
}

/* A place on this site begins with one slash: two would lead to another host. */
static char *one_slash(char *begin, const char *end)
{
	while (end - begin >= 2 && begin[0] == '/' && (begin[1] == '/' || begin[1] == '\\'))
		begin++;
	return begin;
}

static bool is_of_another_host(const struct walk *w, struct rules_text template)
{
	const char *text = rules_at(w->table, template);

	return template.size >= 5 && text[0] == PIECE_TEXT && text[3] == '/' && text[4] == '/';
}

/* Writes the place that a rule leads to, with the query of the request. False: no room. */
static bool make_place(struct walk *w, const struct rule *rule, struct rules_slice *out)
{
	char *begin, *at, *end;

	w->room->place ^= 1;
	begin = at = w->room->places[w->room->place];
	end = begin + PLACE_MAX;
	if (!look_expand(&w->room->look, rule->to, &at, end, true) ||
	    !add_query(w, begin, &at, end))
		return false;
	if (!is_of_another_host(w, rule->to))
		begin = one_slash(begin, at);
	*out = (struct rules_slice){begin, (size_t)(at - begin)};
	return true;
}

/* True: the request ends here. */
static bool redirects(struct walk *w, const struct rules_group *g)
{
	const struct rule *rule = rules_of(w, g, RULE_REDIRECT);

	for (uint16_t i = 0; i < g->count[RULE_REDIRECT]; i++, rule++) {
		if (!look_matches(&w->room->look, rule))
			continue;
		if (rule->target == RULE_TO_NOWHERE)
			return false; /* a rule that exempts paths from those behind it */
		end_with(w, make_place(w, rule, &w->out->to) ? RULES_REDIRECT : RULES_TOO_LONG);
		w->out->status = rule->status;
		return true;
	}
	return false;
}

static bool add_field(struct walk *w, const struct rule_field *field)
{
	char *at = w->fields;
	const char *end = w->room->fields + FIELDS_MAX;

	if (!look_expand(&w->room->look, field->name, &at, end, false) || end - at < 2)
		return false;
	*at++ = ':';
	*at++ = ' ';
	if (!look_expand(&w->room->look, field->value, &at, end, false) || end - at < 2)
		return false;
	*at++ = '\r';
	*at++ = '\n';
	w->fields = at;
	return true;
}

static bool add_fields(struct walk *w, const struct rules_group *g)
{
	const struct rule *rule = rules_of(w, g, RULE_HEADERS);

	for (uint16_t i = 0; i < g->count[RULE_HEADERS]; i++, rule++) {
		const struct rule_field *fields = rules_at(w->table, rule->fields);

		if (!look_matches(&w->room->look, rule))
			continue;
		for (size_t n = 0; n < rule->fields.size / sizeof(*fields); n++)
			if (!add_field(w, &fields[n])) {
				end_with(w, RULES_TOO_LONG);
				return false;
			}
	}
	return true;
}

static struct rules_slice path_of(struct rules_slice place)
{
	const char *end = memchr(place.at, '?', place.size);

	return (struct rules_slice){place.at, end ? (size_t)(end - place.at) : place.size};
}

/* The rules behind it look at the new path. */
static bool move_to(struct walk *w, const struct rule *rule)
{
	struct rules_slice place;

	if (rule->to.size == 0)
		return true;
	if (!make_place(w, rule, &place) || place.size == 0 || place.at[0] != '/') {
		end_with(w, RULES_TOO_LONG);
		return false;
	}
	w->place = place;
	w->seen |= rule->sets;
	w->room->look.path = path_of(place);
	return true;
}

/* True: the request ends here. */
static bool rewrites(struct walk *w, const struct rules_group *g)
{
	const struct rule *rule = rules_of(w, g, RULE_REWRITE);

	for (uint16_t i = 0; i < g->count[RULE_REWRITE]; i++, rule++) {
		if (!look_matches(&w->room->look, rule))
			continue;
		if (rule->target == RULE_TO_NOWHERE) {
			end_with(w, RULES_NOWHERE);
			return true;
		}
		if (!move_to(w, rule))
			return true;
		if (rule->target == RULE_TO_SERVICE) {
			w->out->service = rule->service;
			w->out->entered = w->place;
		}
		if (rule->target == RULE_TO_SERVICE || rule->ends)
			return false;
	}
	return false;
}

static void run_group(struct walk *w, const struct rules_group *g)
{
	if (!redirects(w, g) && add_fields(w, g))
		(void)rewrites(w, g);
}

static const struct rules_group *group_of(const struct rules_table *t, uint16_t service)
{
	for (uint16_t i = 1; i < t->group_count; i++)
		if (t->groups[i].service == service)
			return &t->groups[i];
	return NULL;
}

static void run_service(struct walk *w)
{
	const struct rules_group *g = group_of(w->table, w->out->service);

	w->out->outcome = RULES_SERVICE;
	if (g)
		run_group(w, g);
}

static struct walk begin(const struct rules_table *table, struct rules_room *room,
			 const struct rules_request *request, struct rules_result *out)
{
	*out = (struct rules_result){.service = RULES_NONE};
	room->look.table = table;
	room->look.request = request;
	room->look.path = request->path;
	room->look.steps = STEPS_MAX;
	room->look.spent = false;
	return (struct walk){.table = table,
			     .room = room,
			     .request = request,
			     .out = out,
			     .fields = room->fields};
}

static void finish(struct walk *w)
{
	if (w->room->look.spent)
		w->out->outcome = RULES_TOO_LONG;
	if (w->out->outcome != RULES_REDIRECT)
		w->out->to = w->place;
	w->out->seen = w->seen;
	w->out->fields =
		(struct rules_slice){w->room->fields, (size_t)(w->fields - w->room->fields)};
}

/* The service of a request that no rewrite led into one. */
static uint16_t fallen_to(const struct walk *w)
{
	if (w->table->passes && w->request->find)
		return w->request->find(w->request->self, w->room->look.path);
	return w->table->otherwise;
}

void rules_apply(const struct rules_table *table, struct rules_room *room,
		 const struct rules_request *request, struct rules_result *out)
{
	struct walk w = begin(table, room, request, out);

	run_group(&w, &table->groups[0]);
	if (out->outcome == RULES_PASS && out->service == RULES_NONE)
		out->service = fallen_to(&w);
	if (out->outcome == RULES_PASS && out->service != RULES_NONE)
		run_service(&w);
	finish(&w);
}

void rules_apply_of(const struct rules_table *table, uint16_t service, struct rules_room *room,
		    const struct rules_request *request, struct rules_result *out)
{
	struct walk w = begin(table, room, request, out);

	out->service = service;
	run_service(&w);
	finish(&w);
}
