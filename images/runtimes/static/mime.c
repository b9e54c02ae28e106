// SPDX-License-Identifier: Apache-2.0
#include "mime.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define TEXT "; charset=utf-8"

/* clang-format off */
static const struct {
	const char *extension, *type;
} types[] = { /* by extension, for bsearch in mime_type */
	{"3gp", "video/3gpp"}, {"7z", "application/x-7z-compressed"}, {"aac", "audio/aac"},
	{"apng", "image/apng"}, {"atom", "application/atom+xml" TEXT}, {"avif", "image/avif"},
	{"bin", "application/octet-stream"}, {"bmp", "image/bmp"}, {"br", "application/octet-stream"},
	{"bz2", "application/x-bzip2"}, {"cjs", "text/javascript" TEXT}, {"css", "text/css" TEXT},
	{"csv", "text/csv" TEXT}, {"doc", "application/msword"},
	{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{"eot", "application/vnd.ms-fontobject"}, {"epub", "application/epub+zip"},
	{"flac", "audio/flac"}, {"geojson", "application/geo+json"}, {"gif", "image/gif"},
	{"glb", "model/gltf-binary"}, {"gltf", "model/gltf+json"}, {"gz", "application/gzip"},
	{"heic", "image/heic"}, {"htm", "text/html" TEXT}, {"html", "text/html" TEXT},
	{"ico", "image/vnd.microsoft.icon"}, {"ics", "text/calendar" TEXT}, {"jpeg", "image/jpeg"},
	{"jpg", "image/jpeg"}, {"js", "text/javascript" TEXT}, {"json", "application/json" TEXT},
	{"jsonld", "application/ld+json" TEXT}, {"jxl", "image/jxl"}, {"m3u8", "application/vnd.apple.mpegurl"},
	{"m4a", "audio/mp4"}, {"m4v", "video/mp4"}, {"map", "application/json" TEXT},
	{"md", "text/markdown" TEXT}, {"mid", "audio/midi"}, {"mjs", "text/javascript" TEXT},
	{"mov", "video/quicktime"}, {"mp3", "audio/mpeg"}, {"mp4", "video/mp4"}, {"mpd", "application/dash+xml"},
	{"mpeg", "video/mpeg"}, {"oga", "audio/ogg"}, {"ogg", "audio/ogg"}, {"ogv", "video/ogg"},
	{"opus", "audio/ogg"}, {"otf", "font/otf"}, {"pdf", "application/pdf"}, {"png", "image/png"},
	{"ppt", "application/vnd.ms-powerpoint"},
	{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
	{"rss", "application/rss+xml" TEXT}, {"rtf", "application/rtf"}, {"svg", "image/svg+xml"},
	{"tar", "application/x-tar"}, {"tif", "image/tiff"}, {"tiff", "image/tiff"}, {"toml", "application/toml" TEXT},
	{"ts", "video/mp2t"}, {"tsv", "text/tab-separated-values" TEXT}, {"ttf", "font/ttf"},
	{"txt", "text/plain" TEXT}, {"vtt", "text/vtt" TEXT}, {"wasm", "application/wasm"}, {"wav", "audio/wav"},
	{"weba", "audio/webm"}, {"webm", "video/webm"}, {"webmanifest", "application/manifest+json" TEXT},
	{"webp", "image/webp"}, {"woff", "font/woff"}, {"woff2", "font/woff2"}, {"xhtml", "application/xhtml+xml" TEXT},
	{"xls", "application/vnd.ms-excel"},
	{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{"xml", "application/xml" TEXT}, {"yaml", "application/yaml" TEXT}, {"yml", "application/yaml" TEXT},
	{"zip", "application/zip"}, {"zst", "application/zstd"},
};
/* clang-format on */

static const char *base_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? slash + 1 : name;
}

const char *mime_type(const char *name)
{
	const char *dot = strrchr(base_name(name), '.');
	size_t low = 0, high = sizeof(types) / sizeof(types[0]);

	while (dot && low < high) {
		size_t middle = (low + high) / 2;
		int order = strcasecmp(dot + 1, types[middle].extension);

		if (order == 0)
			return types[middle].type;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return "application/octet-stream";
}

/* ---- hashes in names ---- */

enum kind { UPPER, LOWER, DIGIT, SIGN };

static enum kind kind_of(char c)
{
	if (isupper((unsigned char)c))
		return UPPER;
	if (islower((unsigned char)c))
		return LOWER;
	return isdigit((unsigned char)c) ? DIGIT : SIGN;
}

/* Hexadecimal digits as webpack and Parcel write them. Figures alone may be a date. */
static bool is_hex_hash(const char *text, size_t size)
{
	bool letter = false;

	for (size_t i = 0; i < size; i++) {
		bool figure = kind_of(text[i]) == DIGIT;

		if (!figure && !strchr("abcdef", text[i]))
			return false;
		letter |= !figure;
	}
	return letter && size >= 8;
}

/* Eight characters of base64 or base32, as Rollup, Vite and esbuild write, with a figure, a
 * capital and so many changes of their kind as a word does not have. */
static bool is_mixed_hash(const char *text, size_t size)
{
	size_t changes = 0, figures = 0, upper = 0;

	if (size != 8)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (kind_of(text[i]) == SIGN && text[i] != '_' && text[i] != '-')
			return false;
		figures += kind_of(text[i]) == DIGIT;
		upper += kind_of(text[i]) == UPPER;
		changes += i > 0 && kind_of(text[i]) != kind_of(text[i - 1]);
	}
	return figures > 0 && upper > 0 && changes >= 3;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Whether the name up to `end` ends with a hash behind one of ".-_", or is a long one. */
static bool hash_before(const char *base, const char *end)
{
	const char *at = end;

	while (at > base) {
		size_t size;

		at--;
		if (!strchr(".-_", *at))
			continue;
		size = (size_t)(end - at) - 1;
		if (is_hex_hash(at + 1, size) || is_mixed_hash(at + 1, size))
			return true;
		if (size > 8 || *at == '.')
			return false;
	}
	return end - base >= 16 && is_hex_hash(base, (size_t)(end - base));
}

bool mime_hashed(const char *name)
{
	const char *base = base_name(name), *last = strrchr(base, '.');
	const char *map = last;

	if (begins(name, "_next/static/") || begins(name, "_app/immutable/"))
		return true;
	if (!last)
		return false;
	/* main.3f9a1b2c.js.map: the extension before the last one. */
	while (map > base && *--map != '.')
		;
	return hash_before(base, last) || (map > base && hash_before(base, map));
}
