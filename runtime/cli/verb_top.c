// SPDX-License-Identifier: Apache-2.0
/* top: instances. On a terminal the table has rates and is refreshed each second; elsewhere it is
 * printed once, without rates. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/base/text.h"
#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define REFRESH_MS  1000
#define SAMPLES_MAX 4096

struct sample {
	char id[96];
	uint64_t cpu_us, invocations;
};

struct top {
	const struct call *call;
	uint64_t taken_ns; /* of the samples; 0 = none yet */
	size_t count;
	struct sample samples[SAMPLES_MAX];
};

struct totals {
	size_t instances, frozen;
	uint64_t awake_us, frozen_us, cpu_us, cpu_delta_us, invocations_delta;
};

static const struct column columns[] = {
	{.title = "ID"},
	{.title = "STATE"},
	{.title = "TICKETS", .right = true},
	{.title = "REQ/S", .right = true},
	{.title = "CPU%", .right = true},
	{.title = "CPU", .right = true},
	{.title = "MEMORY", .right = true},
	{.title = "REQUESTS", .right = true},
	{.title = "SAVED%", .right = true},
};

static uint64_t number_of(const struct json *instance, const char *key)
{
	uint64_t n = 0;

	return table_number(json_get(instance, key), &n) < 0 ? 0 : n;
}

/* part in percent of whole with one place; "-" if whole is 0. */
static const char *percent(char *buf, size_t size, uint64_t part, uint64_t whole)
{
	if (whole == 0)
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64, part * 100 / whole,
			 part * 1000 / whole % 10);
	return buf;
}

static const struct sample *sample_find(const struct top *top, const char *id)
{
	for (size_t i = 0; i < top->count; i++)
		if (strcmp(top->samples[i].id, id) == 0)
			return &top->samples[i];
	return NULL;
}

static int add_row(const struct top *top, struct table *table, const struct json *instance,
		   uint64_t span_us, struct totals *totals)
{
	const char *id = json_string(json_get(instance, "id"));
	const char *state = json_string(json_get(instance, "state"));
	const struct sample *before = id ? sample_find(top, id) : NULL;
	uint64_t cpu_us = number_of(instance, "cpu_us");
	uint64_t invocations = number_of(instance, "invocations");
	uint64_t awake_us = number_of(instance, "awake_us");
	uint64_t frozen_us = number_of(instance, "frozen_us");
	uint64_t cpu_delta = before ? cpu_us - before->cpu_us : 0;
	uint64_t new_requests = before ? invocations - before->invocations : 0;
	char tickets[32], rate[32], load[32], cpu[32], memory[32], count[32], saved[32];
	const char *cells[] = {id, state, tickets, rate, load, cpu, memory, count, saved};

	totals->instances++;
	totals->frozen += state && strcmp(state, "frozen") == 0;
	totals->awake_us += awake_us;
	totals->frozen_us += frozen_us;
	totals->cpu_us += cpu_us;
	totals->cpu_delta_us += cpu_delta;
	totals->invocations_delta += new_requests;
	snprintf(tickets, sizeof(tickets), "%" PRIu64, number_of(instance, "tickets"));
	snprintf(count, sizeof(count), "%" PRIu64, invocations);
	if (before)
		snprintf(rate, sizeof(rate), "%" PRIu64, new_requests * 1000000 / span_us);
	else
		(void)text_copy(rate, sizeof(rate), "-");
	percent(load, sizeof(load), cpu_delta, before ? span_us : 0);
	percent(saved, sizeof(saved), frozen_us, awake_us + frozen_us);
	text_us(cpu, sizeof(cpu), cpu_us);
	text_bytes(memory, sizeof(memory), number_of(instance, "memory_bytes"));
	return table_add(table, cells);
}

static void keep_samples(struct top *top, const struct json *list, uint64_t now_ns)
{
	top->taken_ns = now_ns;
	top->count = 0;
	for (size_t i = 0; i < json_count(list) && top->count < SAMPLES_MAX; i++) {
		const struct json *instance = json_at(list, i);
		const char *id = json_string(json_get(instance, "id"));
		struct sample *s = &top->samples[top->count];

		if (!id)
			continue;
		snprintf(s->id, sizeof(s->id), "%s", id);
		s->cpu_us = number_of(instance, "cpu_us");
		s->invocations = number_of(instance, "invocations");
		top->count++;
	}
}

static void print_totals(const struct totals *t, uint64_t span_us)
{
	char saved[32], load[32], cpu[32];

	printf("%zu instances, %zu frozen; CPU %s in all; %s%% of their lives frozen", t->instances,
	       t->frozen, text_us(cpu, sizeof(cpu), t->cpu_us),
	       percent(saved, sizeof(saved), t->frozen_us, t->awake_us + t->frozen_us));
	if (span_us)
		printf("; now %" PRIu64 " req/s, %s%% CPU",
		       t->invocations_delta * 1000000 / span_us,
		       percent(load, sizeof(load), t->cpu_delta_us, span_us));
	printf("\n\n");
}

static int show(struct top *top)
{
	struct api_answer answer;
	struct totals totals = {.instances = 0};
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	const struct json *list;
	uint64_t now_ns, span_us;
	int r = table ? api_call(top->call, "GET", "/v1/instances", "list the instances", &answer)
		      : CLI_FAILED;

	if (r != CLI_DONE) {
		table_free(table);
		return r;
	}
	now_ns = clock_mono_ns();
	span_us = top->taken_ns ? (now_ns - top->taken_ns) / NS_PER_US + 1 : 0;
	list = api_list(answer.document, "instances");
	for (size_t i = 0; i < json_count(list); i++)
		add_row(top, table, json_at(list, i), span_us, &totals);
	if (top->call->terminal)
		fputs("\033[H\033[J", stdout);
	print_totals(&totals, span_us);
	table_print(table, stdout, top->call->color);
	fflush(stdout);
	keep_samples(top, list, now_ns);
	table_free(table);
	api_answer_fini(&answer);
	return CLI_DONE;
}

/* Refreshes the screen until q, Ctrl-C or SIGTERM. */
static int refresh(struct top *top, int signals_fd)
{
	struct pollfd waits[] = {{.fd = STDIN_FILENO, .events = POLLIN},
				 {.fd = signals_fd, .events = POLLIN}};
	int r;

	while ((r = show(top)) == CLI_DONE) {
		char key = 0;
		int n = poll(waits, ARRAY_LEN(waits), REFRESH_MS);

		if (n > 0 && waits[1].revents)
			break;
		if (n > 0 && waits[0].revents && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q'))
			break;
	}
	return r;
}

static int run_terminal(struct top *top)
{
	struct termios saved, raw;
	SCOPED_FD signals_fd = -1;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals_fd < 0 || tcgetattr(STDIN_FILENO, &saved) < 0)
		return show(top);
	raw = saved;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("\033[?25l", stdout); /* no cursor */
	r = refresh(top, signals_fd);
	fputs("\033[?25h", stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	return r;
}

int verb_top(struct call *call)
{
	SCOPED_MEM struct top *top = calloc(1, sizeof(*top));

	if (!top)
		return CLI_FAILED;
	top->call = call;
	if (call->json)
		return verb_ps(call);
	return call->terminal && isatty(STDIN_FILENO) ? run_terminal(top) : show(top);
}
