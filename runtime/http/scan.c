// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/scan.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8, UNDERSCORE = 16 };

/* Which bytes may stand where: RFC 9110 sections 5.6.2 (token) and 5.5 (value, with obs-text).
 * Targets follow RFC 3986 and are a little wider, because real clients send | ^ { } [ ] and `, but
 * never # " < > \. */
static const unsigned char byte_class[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = TOKEN | VALUE | TARGET,
	['"'] = VALUE,
	['#'] = TOKEN | VALUE,
	['$' ... '\''] = TOKEN | VALUE | TARGET,
	['(' ... ')'] = VALUE | TARGET,
	['*' ... '+'] = TOKEN | VALUE | TARGET,
	[','] = VALUE | TARGET,
	['-' ... '.'] = TOKEN | VALUE | TARGET | HOST,
	['/'] = VALUE | TARGET,
	['0' ... '9'] = TOKEN | VALUE | TARGET | HOST,
	[':' ... ';'] = VALUE | TARGET,
	['<'] = VALUE,
	['='] = VALUE | TARGET,
	['>'] = VALUE,
	['?' ... '@'] = VALUE | TARGET,
	['A' ... 'Z'] = TOKEN | VALUE | TARGET | HOST,
	['['] = VALUE | TARGET,
	['\\'] = VALUE,
	[']'] = VALUE | TARGET,
	['^'] = TOKEN | VALUE | TARGET,
	['_'] = TOKEN | VALUE | TARGET | HOST | UNDERSCORE,
	['`'] = TOKEN | VALUE | TARGET,
	['a' ... 'z'] = TOKEN | VALUE | TARGET | HOST,
	['{'] = VALUE | TARGET,
	['|'] = TOKEN | VALUE | TARGET,
	['}'] = VALUE | TARGET,
	['~'] = TOKEN | VALUE | TARGET,
	[0x80 ... 0xff] = VALUE,
};

bool http_slice_is_nocase(struct http_slice s, const char *text)
{
	return strlen(text) == s.size && strncasecmp(s.at, text, s.size) == 0;
}

static bool all_of(struct http_slice s, unsigned char class)
{
	unsigned char common = class;

	for (size_t i = 0; i < s.size; i++)
		common &= byte_class[(unsigned char)s.at[i]];
	return common == class;
}

bool http_is_token_char(unsigned char c)
{
	return byte_class[c] & TOKEN;
}

bool http_target_clean(struct http_slice target)
{
	return target.size > 0 && all_of(target, TARGET);
}

bool http_text_clean(struct http_slice text)
{
	return all_of(text, VALUE);
}

/* Known fields, by a hash of length, first and last letter. The compiler refuses two designators
 * for one cell (-Woverride-init), so the hash stays perfect; test_http_head looks each field up. */
#define CELL(size, first, last) (((size) + ((first) | 32) + ((last) | 32) * 5) & 127)
#define KNOWN(text, first, last, id) \
	[CELL(sizeof(text) - 1, first, last)] = {text, sizeof(text) - 1, id}
static const struct {
	const char *name;
	size_t size;
	enum http_field id;
} known_fields[128] = {
	KNOWN("host", 'h', 't', HTTP_FIELD_HOST),
	KNOWN("content-length", 'c', 'h', HTTP_FIELD_CONTENT_LENGTH),
	KNOWN("transfer-encoding", 't', 'g', HTTP_FIELD_TRANSFER_ENCODING),
	KNOWN("connection", 'c', 'n', HTTP_FIELD_CONNECTION),
	KNOWN("upgrade", 'u', 'e', HTTP_FIELD_UPGRADE),
	KNOWN("expect", 'e', 't', HTTP_FIELD_EXPECT),
	KNOWN("keep-alive", 'k', 'e', HTTP_FIELD_HOP),
	KNOWN("proxy-connection", 'p', 'n', HTTP_FIELD_HOP),
	KNOWN("proxy-authenticate", 'p', 'e', HTTP_FIELD_HOP),
	KNOWN("proxy-authorization", 'p', 'n', HTTP_FIELD_HOP),
	KNOWN("te", 't', 'e', HTTP_FIELD_HOP),
	KNOWN("trailer", 't', 'r', HTTP_FIELD_TRAILER),
	KNOWN("forwarded", 'f', 'd', HTTP_FIELD_FORWARDED),
	KNOWN("x-real-ip", 'x', 'p', HTTP_FIELD_FORWARDED),
	KNOWN("x-request-id", 'x', 'd', HTTP_FIELD_REQUEST_ID),
	KNOWN("traceparent", 't', 't', HTTP_FIELD_TRACE),
	KNOWN("tracestate", 't', 'e', HTTP_FIELD_TRACE),
	KNOWN("date", 'd', 'e', HTTP_FIELD_DATE),
};

static bool starts_with(struct http_slice s, const char *prefix, size_t size)
{
	return s.size > size && strncasecmp(s.at, prefix, size) == 0;
}

static enum http_field field_of(struct http_slice name)
{
	unsigned char first = (unsigned char)name.at[0];
	unsigned int cell =
		CELL((unsigned int)name.size, first, (unsigned char)name.at[name.size - 1]);

	if (known_fields[cell].size == name.size &&
	    strncasecmp(name.at, known_fields[cell].name, name.size) == 0)
		return known_fields[cell].id;
	if ((first | 32) != 'x')
		return HTTP_FIELD_OTHER;
	if (starts_with(name, "x-forwarded-", 12))
		return HTTP_FIELD_FORWARDED;
	if (starts_with(name, "x-ebb-", 6) || starts_with(name, "x-vercel-internal-", 18))
		return HTTP_FIELD_EBB;
	return HTTP_FIELD_OTHER;
}

/* content_length and the like: a CGI program takes them for the real fields. */
static enum http_field field_underscored(struct http_slice name)
{
	char plain[32];

	if (name.size > sizeof(plain)) /* the prefix of a long name decides: x-forwarded-, x-ebb- */
		name.size = sizeof(plain);
	for (size_t i = 0; i < name.size; i++)
		plain[i] = name.at[i] == '_' ? '-' : name.at[i];
	return field_of((struct http_slice){plain, name.size}) == HTTP_FIELD_OTHER
		       ? HTTP_FIELD_OTHER
		       : HTTP_FIELD_LOOKALIKE;
}

static struct http_slice trim(struct http_slice s)
{
	while (s.size && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.size--;
	}
	while (s.size && (s.at[s.size - 1] == ' ' || s.at[s.size - 1] == '\t'))
		s.size--;
	return s;
}

bool http_list_names(struct http_slice list, struct http_slice token)
{
	while (list.size) {
		const char *comma = memchr(list.at, ',', list.size);
		size_t size = comma ? (size_t)(comma - list.at) : list.size;
		struct http_slice item = trim((struct http_slice){list.at, size});

		if (item.size == token.size && strncasecmp(item.at, token.at, item.size) == 0)
			return true;
		size += comma ? 1 : 0;
		list.at += size;
		list.size -= size;
	}
	return false;
}

bool http_list_has(struct http_slice list, const char *token)
{
	return http_list_names(list, (struct http_slice){token, strlen(token)});
}

int http_take_line(struct http_slice *text, struct http_slice *line, bool bare_lf, const char **why)
{
	const char *lf = memchr(text->at, '\n', text->size);
	bool cr = lf && lf > text->at && lf[-1] == '\r';
	size_t size;

	if (!lf || (!cr && !bare_lf)) {
		*why = "a line of the head does not end in CR LF";
		return 400;
	}
	size = (size_t)(lf + 1 - text->at);
	*line = (struct http_slice){text->at, size - (cr ? 2 : 1)};
	text->at += size;
	text->size -= size;
	return 0;
}

/* A tab is white space (RFC 9110 section 5.6.3), but llhttp refuses it behind a length or a
 * coding. */
static bool has_tab_around(struct http_slice all, struct http_slice value)
{
	size_t before = (size_t)(value.at - all.at), behind = all.size - before - value.size;

	return memchr(all.at, '\t', before) || memchr(value.at + value.size, '\t', behind);
}

static void note_field(const struct http_header *h, struct http_fields *f)
{
	switch (h->field) {
	case HTTP_FIELD_HOST:
		f->host_count++;
		f->host = h->value;
		break;
	case HTTP_FIELD_CONTENT_LENGTH:
		f->length_count++;
		f->length = h->value;
		break;
	case HTTP_FIELD_TRANSFER_ENCODING:
		f->coding_count++;
		f->coding = h->value;
		break;
	case HTTP_FIELD_CONNECTION:
		f->connection_close |= http_list_has(h->value, "close");
		f->connection_keep_alive |= http_list_has(h->value, "keep-alive");
		f->connection_upgrade |= http_list_has(h->value, "upgrade");
		break;
	case HTTP_FIELD_UPGRADE:
		f->has_upgrade = true;
		break;
	case HTTP_FIELD_EXPECT:
		f->expect_continue |= http_slice_is_nocase(h->value, "100-continue");
		f->expect_other |= !http_slice_is_nocase(h->value, "100-continue");
		break;
	case HTTP_FIELD_HOP:
		f->te_trailers |= h->name.size == 2 && http_list_has(h->value, "trailers");
		break;
	default:
		break;
	}
}

/* Scans one field line. llhttp would join a folded line (leading white space) to the field before,
 * and so hide fields from our rules. Therefore a folded line is refused here, before llhttp sees
 * the head. */
static int scan_field(struct http_slice line, struct http_header *h, struct http_fields *f,
		      const char **why)
{
	struct http_slice value;
	unsigned char of_name = 0;
	size_t n = 0;

	if (line.at[0] == ' ' || line.at[0] == '\t') {
		*why = "folded header lines are not accepted";
		return 400;
	}
	while (n < line.size && (byte_class[(unsigned char)line.at[n]] & TOKEN))
		of_name |= byte_class[(unsigned char)line.at[n++]];
	h->name = (struct http_slice){line.at, n};
	while (f->own && n > 0 && n < line.size && (line.at[n] == ' ' || line.at[n] == '\t'))
		n++;
	if (n == 0 || n == line.size || line.at[n] != ':') {
		*why = "a header line is not NAME: VALUE";
		return 400;
	}
	value = (struct http_slice){line.at + n + 1, line.size - n - 1};
	h->value = trim(value);
	f->spaced |= has_tab_around(value, h->value);
	if (!http_text_clean(h->value)) {
		*why = "a header value holds a control byte";
		return 400;
	}
	h->field = of_name & UNDERSCORE ? field_underscored(h->name) : field_of(h->name);
	return 0;
}

int http_scan_fields(struct http_slice text, struct http_head *out, struct http_fields *fields,
		     const char **why)
{
	for (;;) {
		struct http_slice line;
		int status = http_take_line(&text, &line, fields->own, why);

		if (status)
			return status;
		if (line.size == 0)
			break;
		if (out->header_count == fields->count_max) {
			*why = "too many header lines";
			return 431;
		}
		status = scan_field(line, &out->headers[out->header_count], fields, why);
		if (status)
			return status;
		note_field(&out->headers[out->header_count++], fields);
	}
	if (text.size == 0)
		return 0;
	*why = "bytes behind the empty line of the head";
	return 400;
}

static bool port_ok(struct http_slice port)
{
	unsigned int value = 0;

	if (port.size > 5)
		return false;
	for (size_t i = 0; i < port.size; i++) {
		if (port.at[i] < '0' || port.at[i] > '9')
			return false;
		value = value * 10 + (unsigned int)(port.at[i] - '0');
	}
	return value <= 65535;
}

static size_t ip_literal_size(struct http_slice a)
{
	const char *end = memchr(a.at, ']', a.size);
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t size = end ? (size_t)(end - a.at - 1) : sizeof(text);

	if (size >= sizeof(text))
		return 0;
	memcpy(text, a.at + 1, size);
	text[size] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1 ? size + 2 : 0;
}

bool http_split_host(struct http_slice authority, struct http_slice *host, bool *has_port)
{
	size_t n = 0;

	if (authority.size && authority.at[0] == '[')
		n = ip_literal_size(authority);
	else
		while (n < authority.size && (byte_class[(unsigned char)authority.at[n]] & HOST))
			n++;
	if (n == 0 || n > 255)
		return false;
	if (n < authority.size &&
	    (authority.at[n] != ':' ||
	     !port_ok((struct http_slice){authority.at + n + 1, authority.size - n - 1})))
		return false;
	*host = (struct http_slice){authority.at, n};
	*has_port = n + 1 < authority.size; /* "host:" has none */
	return true;
}
