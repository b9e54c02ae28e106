// SPDX-License-Identifier: Apache-2.0
#include "runtime/base/rehearse.h"

#include <errno.h>
#include <float.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/mem.h"
#include "runtime/base/sort.h"
#include "runtime/base/text.h"

#define ERRNO_SHOWN  150 /* beyond the last errno: libc then makes a text of its own */
#define STACK_BYTES  ((size_t)512 << 10)
#define MEMORY_BYTES ((size_t)48 << 20) /* malloc(3) takes so much by mmap(2) */

const char *rehearse_wanted(int argc, char *const *argv)
{
	return argc == 3 && strcmp(argv[1], "--rehearse") == 0 ? argv[2] : NULL;
}

static void every_level(void)
{
	char text[5000], quoted[5000];

	for (size_t i = 0; i + 1 < sizeof(text); i++)
		text[i] = (char)(i % 255 + 1);
	text[sizeof(text) - 1] = '\0';
	for (int level = LOG_ERROR_LEVEL; level <= LOG_DEBUG_LEVEL; level++) {
		log_at((enum log_level)level, "event=rehearsal level=%d", level);
		log_at((enum log_level)level, "event=rehearsal text=%s",
		       log_quote(quoted, sizeof(quoted), text));
	}
}

static void every_error(void)
{
	for (int err = -1; err <= ERRNO_SHOWN; err++)
		log_error("event=rehearsal errno=%d name=%s text=\"%s\"", err,
			  strerrorname_np(err) ? strerrorname_np(err) : "?", strerror(err));
}

static void every_date(void)
{
	static const uint64_t dates_us[] = {0, 951782400000000, 253402300800000000, UINT64_MAX};
	char when[CLOCK_DATE_SIZE];
	uint64_t back_us = 0;

	for (size_t i = 0; i < ARRAY_LEN(dates_us); i++)
		log_info("event=rehearsal date=%s", clock_rfc3339(dates_us[i], when));
	must(clock_parse_rfc3339(clock_rfc3339(clock_real_us(), when), &back_us) == 0);
	log_info("event=rehearsal awake_ns=%llu used_ns=%llu", (unsigned long long)clock_mono_ns(),
		 (unsigned long long)clock_thread_ns());
}

/* Numbers so long that printf takes memory for them. */
static void every_number(void)
{
	char text[64];

	must(text_format(text, sizeof(text), "%.3000f %a %Le", DBL_MAX, DBL_MIN, LDBL_MAX) < 0);
	must(text_format(text, sizeof(text), "%*d %lc", 9000, 1, (wint_t)'x') < 0);
	log_info("event=rehearsal number=%s", text);
}

static int by_value(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

/* Memory from the heap and from mmap(2): taken, grown, moved, shrunk and given back. */
static void every_memory(void)
{
	char *blocks[64], *large = malloc(MEMORY_BYTES);

	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		blocks[i] = calloc(1, (size_t)1 << (i % 17));
	for (size_t size = MEMORY_BYTES * 2; size > 0; size /= 4) {
		char *moved = realloc(large, size);

		if (moved)
			large = moved;
	}
	for (size_t i = 0; i < ARRAY_LEN(blocks); i += 2)
		free(blocks[i]);
	for (size_t i = 1; i < ARRAY_LEN(blocks); i += 2)
		free(blocks[i]);
	free(large);
}

static void every_depth(void)
{
	unsigned char deep[STACK_BYTES];

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = (unsigned char)(i * 31);
	sort_items(deep, sizeof(deep), 1, by_value);
	log_info("event=rehearsal deep=%d", deep[sizeof(deep) - 1]);
}

static int all(void)
{
	every_level();
	every_error();
	every_date();
	every_number();
	every_memory();
	every_depth();
	return 0;
}

static int break_invariant(void)
{
	must(!"a rehearsal of the end");
	return 0;
}

static int break_heap(void)
{
	void (*volatile give_back)(void *) = free;
	void *block = malloc(100);

	give_back(block);
	give_back(block);
	return 0;
}

/* The compiler's guard calls this when it finds a frame overwritten. */
static int break_stack(void)
{
	extern void __stack_chk_fail(void) __attribute__((noreturn));

	__stack_chk_fail();
}

int rehearse(const char *what)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} parts[] = {
		{"all", all},
		{"must", break_invariant},
		{"heap", break_heap},
		{"stack", break_stack},
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (strcmp(parts[i].name, what) == 0)
			return parts[i].run();
	return -EINVAL;
}
