// SPDX-License-Identifier: Apache-2.0
#include "runtime/http/proxy_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define V1_LINE_MAX 107 /* with its CR LF: no valid line is longer */
#define V2_FIXED    16
#define WORDS_MAX   6

static const char v1_start[6] = "PROXY ";
static const char v2_start[12] = "\r\n\r\n\0\r\nQUIT\n";

struct word {
	const char *at;
	size_t size;
};

static bool word_is(struct word w, const char *text)
{
	return w.size == strlen(text) && memcmp(w.at, text, w.size) == 0;
}

/* Splits at single spaces. 0 if there are more than WORDS_MAX words or an empty one. */
static int split(const char *line, size_t size, struct word words[WORDS_MAX])
{
	int count = 0;

	for (;;) {
		const char *space = memchr(line, ' ', size);
		size_t n = space ? (size_t)(space - line) : size;

		if (n == 0 || count == WORDS_MAX)
			return 0;
		words[count++] = (struct word){line, n};
		if (!space)
			return count;
		line += n + 1;
		size -= n + 1;
	}
}

static bool parse_address(struct word w, int family, unsigned char *out)
{
	char text[INET6_ADDRSTRLEN];

	if (w.size >= sizeof(text))
		return false;
	memcpy(text, w.at, w.size);
	text[w.size] = '\0';
	return strlen(text) == w.size && inet_pton(family, text, out) == 1;
}

static bool parse_port(struct word w, uint16_t *out)
{
	unsigned int value = 0;

	if (w.size > 5 || (w.size > 1 && w.at[0] == '0'))
		return false;
	for (size_t i = 0; i < w.size; i++) {
		if (w.at[i] < '0' || w.at[i] > '9')
			return false;
		value = value * 10 + (unsigned int)(w.at[i] - '0');
	}
	*out = (uint16_t)value;
	return value <= 65535;
}

/* Parses "PROXY TCP4 SOURCE DESTINATION PORT PORT", or "PROXY UNKNOWN" and anything behind it. */
static int parse_v1_line(const char *line, size_t size, struct proxy_protocol *out)
{
	struct proxy_protocol p = {.family = PROXY_NO_ADDRESS};
	struct word words[WORDS_MAX];
	unsigned char destination[16];
	uint16_t port;
	int family, count;

	if (size >= 13 && memcmp(line, "PROXY UNKNOWN", 13) == 0 &&
	    (size == 13 || line[13] == ' ')) {
		*out = p;
		return memchr(line, '\r', size) || memchr(line, 0, size) ? -EPROTO : 0;
	}
	count = split(line, size, words);
	if (count != WORDS_MAX || !(word_is(words[1], "TCP4") || word_is(words[1], "TCP6")))
		return -EPROTO;
	p.family = words[1].at[3] == '4' ? PROXY_IPV4 : PROXY_IPV6;
	family = p.family == PROXY_IPV4 ? AF_INET : AF_INET6;
	if (!parse_address(words[2], family, p.source) ||
	    !parse_address(words[3], family, destination) ||
	    !parse_port(words[4], &p.source_port) || !parse_port(words[5], &port))
		return -EPROTO;
	*out = p;
	return 0;
}

static long parse_v1(const char *text, size_t size, struct proxy_protocol *out)
{
	const char *end = memchr(text, '\n', size < V1_LINE_MAX ? size : V1_LINE_MAX);
	size_t line;

	if (!end)
		return size < V1_LINE_MAX ? 0 : -EPROTO;
	line = (size_t)(end - text);
	if (text[line - 1] != '\r' || parse_v1_line(text, line - 1, out) < 0)
		return -EPROTO;
	return (long)line + 1;
}

/* TLVs are not used, but they must fill the rest of the header exactly. */
static bool tlvs_ok(const unsigned char *at, size_t size)
{
	while (size > 0) {
		size_t value;

		if (size < 3)
			return false;
		value = (size_t)at[1] << 8 | at[2];
		if (value > size - 3)
			return false;
		at += 3 + value;
		size -= 3 + value;
	}
	return true;
}

static int parse_v2_body(unsigned char kind, const unsigned char *body, size_t size,
			 struct proxy_protocol *out)
{
	static const struct {
		unsigned char kind, address_size;
		enum proxy_family family;
	} kinds[] = {
		{0x00, 0, PROXY_NO_ADDRESS}, /* UNSPEC */
		{0x11, 4, PROXY_IPV4},       /* TCP over IPv4 */
		{0x21, 16, PROXY_IPV6},      /* TCP over IPv6 */
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t each = kinds[i].address_size, fixed = each ? 2 * each + 4 : 0;

		if (kinds[i].kind != kind)
			continue;
		if (size < fixed || !tlvs_ok(body + fixed, size - fixed))
			return -EPROTO;
		*out = (struct proxy_protocol){.family = kinds[i].family};
		memcpy(out->source, body, each);
		if (each)
			out->source_port = (uint16_t)(body[2 * each] << 8 | body[2 * each + 1]);
		return 0;
	}
	return -EPROTO;
}

static long parse_v2(const unsigned char *data, size_t size, struct proxy_protocol *out)
{
	size_t body;

	if (size < V2_FIXED)
		return 0;
	body = (size_t)data[14] << 8 | data[15];
	if ((data[12] != 0x20 && data[12] != 0x21) || body > PROXY_HEADER_MAX - V2_FIXED)
		return -EPROTO;
	if (size < V2_FIXED + body)
		return 0;
	if (data[12] == 0x20) /* LOCAL: a connection of the front itself; the rest is skipped */
		*out = (struct proxy_protocol){.family = PROXY_NO_ADDRESS};
	else if (parse_v2_body(data[13], data + V2_FIXED, body, out) < 0)
		return -EPROTO;
	return (long)(V2_FIXED + body);
}

long proxy_protocol_parse(const void *data, size_t size, struct proxy_protocol *out)
{
	size_t v1 = size < sizeof(v1_start) ? size : sizeof(v1_start);
	size_t v2 = size < sizeof(v2_start) ? size : sizeof(v2_start);

	if (size == 0)
		return 0;
	if (memcmp(data, v1_start, v1) == 0)
		return v1 < sizeof(v1_start) ? 0 : parse_v1(data, size, out);
	if (memcmp(data, v2_start, v2) == 0)
		return v2 < sizeof(v2_start) ? 0 : parse_v2(data, size, out);
	return -EPROTO;
}
