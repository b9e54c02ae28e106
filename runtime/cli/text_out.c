// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/text_out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* The length in bytes of the control character at text, or 0 if none is there. U+0080..U+009F are
 * controls to a terminal just as ESC is; in UTF-8 they are the bytes C2 80..9F. */
static size_t control_size(const unsigned char *text, size_t size)
{
	if (text[0] < 0x20 || text[0] == 0x7f)
		return 1;
	if (text[0] == 0xc2 && size > 1 && text[1] >= 0x80 && text[1] <= 0x9f)
		return 2;
	return 0;
}

/* Writes one byte of text, or one escaped control, into out (room for 9 bytes, NUL-terminated).
 * Returns how many bytes of text were used. */
static size_t escape_one(const char *text, size_t size, bool keep_tabs, char *out)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t controls = control_size(bytes, size);

	if (controls == 0 || (*text == '\t' && keep_tabs)) {
		out[0] = *text;
		out[1] = '\0';
		return 1;
	}
	for (size_t i = 0; i < controls; i++)
		snprintf(out + 4 * i, 5, "\\x%02x", bytes[i]);
	return controls;
}

void text_out_escaped(FILE *to, const char *text, size_t size, bool keep_tabs)
{
	char one[12];

	for (size_t i = 0; i < size;) {
		i += escape_one(text + i, size - i, keep_tabs, one);
		fputs(one, to);
	}
}

/* Bytes of "ESC [ digits ; : ... m" at text, or 0. */
static size_t sgr_size(const char *text, size_t size)
{
	size_t n = 2;

	if (size < 3 || text[0] != '\033' || text[1] != '[')
		return 0;
	while (n < size && ((text[n] >= '0' && text[n] <= '9') || text[n] == ';' || text[n] == ':'))
		n++;
	return n < size && text[n] == 'm' ? n + 1 : 0;
}

void text_out_program(FILE *to, const char *text, size_t size, bool color)
{
	bool colored = false;
	char one[12];

	for (size_t i = 0; i < size;) {
		size_t n = sgr_size(text + i, size - i);

		if (n == 0) {
			i += escape_one(text + i, size - i, true, one);
			fputs(one, to);
			continue;
		}
		if (color)
			fwrite(text + i, 1, n, to);
		colored = color;
		i += n;
	}
	if (colored)
		fputs("\033[0m", to);
}

const char *text_escape(char *buf, size_t size, const char *text)
{
	size_t used = 0, left = strlen(text);
	char one[12];

	while (left > 0) {
		size_t n = escape_one(text, left, false, one);

		if (used + strlen(one) + 1 > size)
			break;
		memcpy(buf + used, one, strlen(one));
		used += strlen(one);
		text += n;
		left -= n;
	}
	buf[used] = '\0';
	return buf;
}

const char *text_bytes(char *buf, size_t size, uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	size_t unit = 0;
	uint64_t whole = bytes, tenths = 0;

	while (whole >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		tenths = whole % 1000 / 100;
		whole /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(buf, size, "%" PRIu64 " B", whole);
	else
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " %s", whole, tenths, units[unit]);
	return buf;
}

const char *text_us(char *buf, size_t size, uint64_t us)
{
	if (us < 1000)
		snprintf(buf, size, "%" PRIu64 " us", us);
	else if (us < 1000000)
		snprintf(buf, size, "%" PRIu64 ".%03" PRIu64 " ms", us / 1000, us % 1000);
	else
		snprintf(buf, size, "%" PRIu64 ".%06" PRIu64 " s", us / 1000000, us % 1000000);
	return buf;
}

const char *text_age(char *buf, size_t size, uint64_t us)
{
	uint64_t s = us / 1000000;

	if (s < 60)
		snprintf(buf, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(buf, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, size, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return buf;
}

static void say_line(const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fputs(label, stderr);
	text_out_escaped(stderr, text, strlen(text), false);
	fputc('\n', stderr);
}

void say_error(const char *why, const char *mend, const char *what, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, what);
	vsnprintf(text, sizeof(text), what, ap);
	va_end(ap);
	say_line("ebb: ", text);
	say_line("  why:  ", why);
	say_line("  mend: ", mend);
}

void say_note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say_line("", text);
}
