// SPDX-License-Identifier: Apache-2.0
#include "hears.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dial.h"

#define LINES_MAX 2000
#define LINE_SIZE 96
#define SEEN_SIZE 2048

static struct {
	char line[LINE_SIZE];
	double at_ms;
} lines[LINES_MAX];
static int line_count;
static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *line, int size)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	pthread_mutex_lock(&lines_lock);
	if (line_count < LINES_MAX) {
		snprintf(lines[line_count].line, LINE_SIZE, "%.*s", size, line);
		lines[line_count++].at_ms =
			(double)now.tv_sec * 1000 + (double)now.tv_nsec / 1000000;
	}
	pthread_mutex_unlock(&lines_lock);
}

/* Notes the whole lines of what came and moves the rest to the front; returns its size. */
static size_t note_lines(int fd, char *seen, size_t size)
{
	char *at = seen, *end;

	while ((end = memchr(at, '\n', size - (size_t)(at - seen)))) {
		note(at, (int)(end - at));
		if (end - at == 4 && memcmp(at, "ping", 4) == 0)
			(void)!write(fd, "pong\n", 5);
		at = end + 1;
	}
	size -= (size_t)(at - seen);
	memmove(seen, at, size);
	return size;
}

static void *hear(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char seen[SEEN_SIZE];
	size_t have = 0;
	ssize_t n;

	while ((n = recv(fd, seen + have, sizeof(seen) - have, 0)) > 0)
		have = note_lines(fd, seen, have + (size_t)n);
	note("closed", 6);
	close(fd);
	return NULL;
}

/* %20 is a space. */
static void spaces(char *text)
{
	char *at;

	while ((at = strstr(text, "%20"))) {
		*at = ' ';
		memmove(at + 1, at + 3, strlen(at + 3) + 1);
	}
}

/* words: with room for the end of the line. */
static int say(const char *to, long port, char *words, int type)
{
	union dial_address address;
	socklen_t size = dial_address_parse(to, port, &address);
	int fd = socket(address.any.sa_family, type, 0);

	strcat(words, "\n");
	if (size > 0 && fd >= 0 && connect(fd, &address.any, size) == 0 &&
	    send(fd, words, strlen(words), 0) > 0)
		return fd;
	close(fd);
	return -1;
}

/* One more connection, whose answer has come. */
static int keep(const char *to, long port, char *words, int type)
{
	int before = line_count, fd = say(to, port, words, type);
	struct timespec pause = {.tv_nsec = 1000000};
	pthread_t thread;

	if (fd < 0 || pthread_create(&thread, NULL, hear, (void *)(intptr_t)fd) != 0)
		return -1;
	pthread_detach(thread);
	for (int waits = 0; line_count == before && waits < 30000; waits++)
		nanosleep(&pause, NULL);
	return 0;
}

static void open_many(struct call *c, int type, long count)
{
	char text[4096] = "[", to[64], words[LINE_SIZE];

	call_text(c, "to", to, sizeof(to));
	for (long i = 0; i < count && strlen(text) + 16 < sizeof(text); i++) {
		call_text(c, "words", words, sizeof(words) - 1);
		spaces(words);
		if (keep(to, call_number(c, "port", 0), words, type) < 0) {
			call_printf(c, 502, "\"%s\"\n", strerrorname_np(errno));
			return;
		}
		strcat(text, i ? ", \"open\"" : "\"open\"");
	}
	call_printf(c, 200, "%s]\n", text);
}

void hears_begin(void)
{
	const char *wanted = getenv("PROBE_HEARS");
	char to[64], words[LINE_SIZE];
	long port, count;
	int said;

	if (!wanted)
		return;
	if (sscanf(wanted, "%63s %ld %ld %n", to, &port, &count, &said) != 3)
		exit(8);
	for (long i = 0; i < count; i++) {
		snprintf(words, sizeof(words) - 1, "%s", wanted + said);
		if (keep(to, port, words, SOCK_STREAM) < 0)
			exit(8);
	}
}

void on_keep(struct call *c)
{
	open_many(c, SOCK_STREAM, call_number(c, "count", 1));
}

void on_datagrams(struct call *c)
{
	open_many(c, SOCK_DGRAM, 1);
}

void on_heard(struct call *c)
{
	size_t room = LINES_MAX * (LINE_SIZE + 64), at = 1;
	char *text = malloc(room);

	text[0] = '[';
	pthread_mutex_lock(&lines_lock);
	for (int i = 0; i < line_count; i++)
		at += (size_t)snprintf(text + at, room - at, "%s{\"line\": \"%s\", \"at\": %.3f}",
				       i ? ", " : "", lines[i].line, lines[i].at_ms);
	line_count = 0;
	pthread_mutex_unlock(&lines_lock);
	text[at++] = ']';
	call_answer(c, 200, "application/json", text, at);
	free(text);
}
