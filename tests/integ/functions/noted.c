// SPDX-License-Identifier: Apache-2.0
#include "noted.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http.h"

#define NOTES_MAX  512
#define HEAD_BYTES 1536

static struct note {
	long long at_us;
	char head[HEAD_BYTES];
} notes[NOTES_MAX];
static long noted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static long keep(const struct call *c)
{
	struct timespec now;
	long number;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&lock);
	number = noted++;
	notes[number % NOTES_MAX].at_us = now.tv_sec * 1000000LL + now.tv_nsec / 1000;
	snprintf(notes[number % NOTES_MAX].head, HEAD_BYTES, "%.*s", HEAD_BYTES - 1, c->head);
	pthread_mutex_unlock(&lock);
	return number;
}

void on_note(struct call *c)
{
	long number = keep(c), ms = call_number(c, "ms", 0);
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&pause, NULL);
	call_printf(c,
		    number < call_number(c, "first", 0) ? 500 : (int)call_number(c, "status", 200),
		    "{}\n");
}

void on_later(struct call *c)
{
	const char *count = call_header(c, "ce-vqsdeliverycount");
	char status[16] = "";
	long n = call_read(c, status, sizeof(status) - 1);

	(void)keep(c);
	if (n > 0 && count && atoi(count) == 1)
		call_answer(c, atoi(status), "text/plain\r\nRetry-After: 1", "", 0);
	else
		call_printf(c, 200, "{}\n");
}

#define COUNTS (1 << 20)
static _Atomic unsigned char counts[COUNTS];
static _Atomic long counted;

void on_count(struct call *c)
{
	long n = call_number(c, "n", 0);

	if (counts[n % COUNTS]++ == 0)
		counted++;
	call_printf(c, 200, "%ld", n);
}

void on_counts(struct call *c)
{
	char twice[8192] = "";

	for (long n = 0; n < COUNTS && strlen(twice) + 24 < sizeof(twice); n++)
		if (counts[n] > 1)
			sprintf(twice + strlen(twice), "%s\"%ld\"", *twice ? ", " : "", n);
	call_printf(c, 200, "{\"asked\": %ld, \"twice\": [%s]}\n", (long)counted, twice);
}

static void escape(const char *from, char *to)
{
	for (; *from; from++) {
		if (*from == '\n')
			to += sprintf(to, "\\n");
		else if (*from != '\r' && *from != '"' && *from != '\\')
			*to++ = *from;
	}
	*to = '\0';
}

void on_noted(struct call *c)
{
	char line[2 * HEAD_BYTES + 64], head[2 * HEAD_BYTES];
	long count;

	pthread_mutex_lock(&lock);
	count = noted < NOTES_MAX ? noted : NOTES_MAX;
	pthread_mutex_unlock(&lock);
	call_begin(c, 200, "application/json", -1);
	call_write(c, "[", 1, true);
	for (long n = 0; n < count; n++) {
		escape(notes[n].head, head);
		snprintf(line, sizeof(line), "%s{\"at\": %lld, \"head\": \"%s\"}", n ? "," : "",
			 notes[n].at_us, head);
		call_write(c, line, strlen(line), true);
	}
	call_write(c, "]", 1, true);
	call_end_chunks(c);
}
