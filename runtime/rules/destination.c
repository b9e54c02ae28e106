// SPDX-License-Identifier: Apache-2.0
#include "runtime/rules/destination.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"

struct making {
	const struct source *source;
	const struct found_names *found;
	struct destination *out;
	bool full;
	bool used;    /* a parameter stands in the path, the host or the hash */
	bool unknown; /* so does one that nobody gives */
};

/* How literal text is written. */
enum spelling { AS_IT_IS, AS_PATH, AS_QUERY };

static void put_raw(struct making *m, const char *text, size_t size)
{
	if (m->out->size + size >= DESTINATION_MAX) {
		m->full = true;
		return;
	}
	memcpy(m->out->text + m->out->size, text, size);
	m->out->size += size;
	m->out->text[m->out->size] = '\0';
}

static bool escapes(unsigned char c, enum spelling how)
{
	bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

	if (plain || how == AS_IT_IS || c == '$')
		return false;
	if (how == AS_QUERY)
		return !strchr("-_.!~*'()", c);
	return c <= ' ' || c >= 127 || strchr("\"'<>\\^`{|}", c);
}

static void put(struct making *m, const char *text, size_t size, enum spelling how)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		char escaped[4];

		if (!escapes(c, how)) {
			put_raw(m, &text[i], 1);
			continue;
		}
		(void)snprintf(escaped, sizeof(escaped), "%%%02X", c);
		put_raw(m, escaped, 3);
	}
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Writes the reference to a parameter: $3, or $name for what a condition found. */
static bool put_reference(struct making *m, const char *name, size_t size)
{
	char text[24];

	for (size_t i = 0; i < m->found->count; i++)
		if (strlen(m->found->names[i]) == size &&
		    memcmp(m->found->names[i], name, size) == 0) {
			put_raw(m, "$", 1);
			put_raw(m, name, size);
			return true;
		}
	for (size_t i = m->source->key_count; i-- > 0;) {
		if (strlen(m->source->keys[i]) != size ||
		    memcmp(m->source->keys[i], name, size) != 0)
			continue;
		(void)snprintf(text, sizeof(text), "$%zu", i + 1);
		put_raw(m, text, strlen(text));
		return true;
	}
	return false;
}

static bool known(const struct making *m, const char *name, size_t size)
{
	for (size_t i = 0; i < m->found->count; i++)
		if (strlen(m->found->names[i]) == size &&
		    memcmp(m->found->names[i], name, size) == 0)
			return true;
	for (size_t i = 0; i < m->source->key_count; i++)
		if (strlen(m->source->keys[i]) == size &&
		    memcmp(m->source->keys[i], name, size) == 0)
			return true;
	return false;
}

/* ---- a part in the syntax of path-to-regexp ---- */

/* Whether each parameter of the pattern has a value. */
static bool tokens_known(struct making *m, const struct tokens *tokens)
{
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *t = &tokens->list[i];
		bool optional = t->modifier == '*' || t->modifier == '?';

		if (t->param && !t->group && !known(m, t->name, strlen(t->name)) && !optional)
			return false;
		if (t->group && !optional)
			return false;
	}
	return true;
}

static void put_tokens(struct making *m, const struct tokens *tokens, enum spelling how)
{
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *t = &tokens->list[i];

		if (t->param && !known(m, t->name, strlen(t->name)))
			continue;
		put(m, tokens->text + t->prefix.at, t->prefix.size, how);
		if (t->param)
			(void)put_reference(m, t->name, strlen(t->name));
		put(m, tokens->text + t->suffix.at, t->suffix.size, how);
	}
}

/* Replaces :name, and :name* + ?, of known names; all other signs stay. */
static void put_replaced(struct making *m, const char *text, size_t size, enum spelling how)
{
	size_t i = 0;

	while (i < size) {
		size_t n = 1;

		while (text[i] == ':' && i + n < size && is_word(text[i + n]))
			n++;
		if (n > 1 && put_reference(m, text + i + 1, n - 1)) {
			i += n;
			i += i < size && (text[i] == '*' || text[i] == '+' || text[i] == '?');
		} else {
			put(m, text + i, 1, how);
			i++;
		}
	}
}

static void put_part(struct making *m, const char *text, size_t size, enum spelling how)
{
	struct tokens tokens;
	const char *why;

	if (tokens_read(text, size, &tokens, &why) < 0 || !tokens_known(m, &tokens))
		put_replaced(m, text, size, how);
	else
		put_tokens(m, &tokens, how);
}

/* Notes whether a part of the address uses a parameter that has a value, and one that has none. */
static void look_at(struct making *m, const char *text, size_t size, bool counts)
{
	struct tokens tokens;
	const char *why;

	if (tokens_read(text, size, &tokens, &why) < 0)
		return;
	for (size_t i = 0; i < tokens.count; i++) {
		const struct token *t = &tokens.list[i];

		if (!t->param || t->group)
			continue;
		if (!known(m, t->name, strlen(t->name)))
			m->unknown = true;
		else
			m->used |= counts;
	}
}

/* The host without its port. */
static size_t host_size(const char *host, size_t size)
{
	size_t n = size;

	while (n > 0 && host[n - 1] >= '0' && host[n - 1] <= '9')
		n--;
	return n > 0 && n < size && host[n - 1] == ':' ? n - 1 : size;
}

/* ---- the query ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes escapes off; the text gets no longer. */
static size_t decode(const char *text, size_t size, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		bool escape = text[i] == '%' && i + 2 < size && hex(text[i + 1]) >= 0 &&
			      hex(text[i + 2]) >= 0;

		if (escape) {
			out[n++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else {
			out[n++] = text[i] == '+' ? ' ' : text[i];
		}
	}
	return n;
}

static void put_pair(struct making *m, const char *pair, size_t size)
{
	const char *equals = memchr(pair, '=', size);
	size_t key = equals ? (size_t)(equals - pair) : size, n;
	char plain[PATTERN_MAX];

	n = decode(pair, key, plain);
	put(m, plain, n, AS_QUERY);
	put_raw(m, "=", 1);
	if (!equals)
		return;
	n = decode(equals + 1, size - key - 1, plain);
	look_at(m, plain, n, false);
	if (n)
		put_part(m, plain, n, AS_QUERY);
}

static void put_query(struct making *m, const char *query, size_t size, bool *begun)
{
	while (size > 0) {
		const char *amp = memchr(query, '&', size);
		size_t n = amp ? (size_t)(amp - query) : size;

		if (n) {
			put_raw(m, *begun ? "&" : "?", 1);
			put_pair(m, query, n);
			*begun = true;
		}
		n += amp != NULL;
		query += n;
		size -= n;
	}
}

static bool query_has(const char *query, size_t size, const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i + length <= size; i++)
		if ((i == 0 || query[i - 1] == '&') && memcmp(query + i, name, length) == 0 &&
		    (i + length == size || query[i + length] == '=' || query[i + length] == '&'))
			return true;
	return false;
}

static void put_missing(struct making *m, const char *name, bool *begun)
{
	put_raw(m, *begun ? "&" : "?", 1);
	put(m, name, strlen(name), AS_QUERY);
	put_raw(m, "=", 1);
	(void)put_reference(m, name, strlen(name));
	*begun = true;
}

/* All parameters, as the query of a rewrite that uses none. */
static void put_all(struct making *m, const char *query, size_t size, bool *begun)
{
	for (size_t i = 0; i < m->source->key_count; i++)
		if (m->source->keys[i][0] && !query_has(query, size, m->source->keys[i]))
			put_missing(m, m->source->keys[i], begun);
	for (size_t i = 0; i < m->found->count; i++)
		if (!query_has(query, size, m->found->names[i]))
			put_missing(m, m->found->names[i], begun);
}

/* ---- the whole ---- */

/* The parts of an address. */
struct address {
	const char *scheme, *host, *path, *query, *hash; /* each ends where the next begins */
	const char *path_end, *query_end, *end;
};

static void split(const char *text, size_t size, struct address *a)
{
	const char *end = text + size, *at = text, *slashes;

	a->scheme = a->host = text;
	slashes = strstr(text, "://");
	/* The scheme ends in front of the first slash. */
	if (slashes && (size_t)(slashes - text) + 1 == strcspn(text, "/?#")) {
		a->host = slashes + 3;
		at = a->host + strcspn(a->host, "/?#");
	}
	a->path = at;
	a->path_end = at + strcspn(at, "?#");
	a->query = *a->path_end == '?' ? a->path_end + 1 : a->path_end;
	a->query_end = *a->path_end == '?' ? a->query + strcspn(a->query, "#") : a->path_end;
	a->hash = a->query_end;
	a->end = end;
}

/* A redirect without parameters stays as it is. */
static bool needs_no_work(const struct making *m, const char *text, enum destination_kind kind)
{
	bool named = false;

	for (size_t i = 0; i < m->source->key_count; i++)
		named |= m->source->keys[i][0] != '\0';
	return kind == DESTINATION_REDIRECT && m->found->count == 0 &&
	       !(strchr(text, ':') && named);
}

static void make(struct making *m, const char *text, enum destination_kind kind)
{
	struct address a;
	bool begun = false;

	split(text, strlen(text), &a);
	look_at(m, a.host, host_size(a.host, (size_t)(a.path - a.host)), true);
	look_at(m, a.path, (size_t)(a.path_end - a.path), true);
	if (needs_no_work(m, text, kind)) {
		put_raw(m, text, strlen(text));
		return;
	}
	look_at(m, a.hash, (size_t)(a.end - a.hash), true);
	put_raw(m, a.scheme, (size_t)(a.host - a.scheme));
	put_part(m, a.host, (size_t)(a.path - a.host), AS_IT_IS);
	put_part(m, a.path, (size_t)(a.path_end - a.path), AS_PATH);
	put_query(m, a.query, (size_t)(a.query_end - a.query), &begun);
	if (kind == DESTINATION_REWRITE && !m->used)
		put_all(m, a.query, (size_t)(a.query_end - a.query), &begun);
	put_part(m, a.hash, (size_t)(a.end - a.hash), AS_PATH);
}

static int finish(const struct making *m, const char **why)
{
	if (!m->full && !m->unknown)
		return 0;
	*why = m->full ? "is too long" : "has a parameter that neither source nor has gives";
	return -EINVAL;
}

static struct making begin(const char *text, const struct source *source,
			   const struct found_names *found, struct destination *out)
{
	out->size = 0;
	out->text[0] = '\0';
	return (struct making){
		.source = source, .found = found, .out = out, .full = strlen(text) > PATTERN_MAX};
}

int destination_read(const char *text, enum destination_kind kind, const struct source *source,
		     const struct found_names *found, struct destination *out, const char **why)
{
	struct making m = begin(text, source, found, out);

	if (!m.full)
		make(&m, text, kind);
	return finish(&m, why);
}

int destination_of_header(const char *text, const struct source *source,
			  const struct found_names *found, struct destination *out,
			  const char **why)
{
	struct making m = begin(text, source, found, out);

	if (!m.full)
		put_replaced(&m, text, strlen(text), AS_IT_IS);
	return finish(&m, why);
}
