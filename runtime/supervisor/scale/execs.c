// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/scale/execs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "runtime/base/clock.h"
#include "runtime/base/container_of.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/freeze/freezer.h"
#include "runtime/supervisor/instance/exec.h"
#include "runtime/supervisor/instance/life.h"
#include "runtime/supervisor/scale/fleet_inside.h"

struct one {
	struct execs *all;
	uint64_t cookie; /* 0: free */
	uint32_t slot, generation;
	struct exec exec;
	struct watch watch;
};

struct execs {
	struct execs_options options;
	struct one all[EXECS_MAX];
};

static void on_word(struct watch *w, uint32_t events);

int execs_new(const struct execs_options *options, struct execs **out)
{
	struct execs *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->options = *options;
	for (size_t n = 0; n < EXECS_MAX; n++)
		m->all[n].all = m;
	*out = m;
	return 0;
}

static void drop(struct one *one)
{
	struct instance *i = fleet_find(one->all->options.fleet, one->slot, one->generation);

	loop_unwatch(one->all->options.loop, &one->watch);
	exec_fini(&one->exec);
	one->cookie = 0;
	if (!i)
		return;
	must(i->execs > 0);
	i->execs--;
}

void execs_end(struct execs *m)
{
	for (size_t n = 0; n < EXECS_MAX; n++)
		if (m->all[n].cookie)
			drop(&m->all[n]);
}

void execs_free(struct execs *m)
{
	if (!m)
		return;
	execs_end(m);
	free(m);
}

static void refuse(struct execs *m, uint64_t cookie, int err, const char *text)
{
	struct wire_exec_ended end = {.cookie = cookie, .err = -err};

	(void)text_copy(end.text, sizeof(end.text), text);
	m->options.on_ended(m->options.self, &end);
}

static void on_word(struct watch *w, uint32_t events)
{
	struct one *one = container_of(w, struct one, watch);
	struct execs *m = one->all;
	struct wire_exec_ended end = {.cookie = one->cookie};
	const struct wire_exec_started started = {.cookie = one->cookie, .tty = one->exec.tty};

	switch (exec_hear(&one->exec, &end)) {
	case EXEC_NOTHING:
		break;
	case EXEC_STARTED:
		m->options.on_started(m->options.self, &started, one->exec.ends,
				      one->exec.tty ? 1 : 3);
		for (int n = 0; n < 3; n++)
			fd_close(&one->exec.ends[n]);
		break;
	case EXEC_ENDED:
		drop(one);
		m->options.on_ended(m->options.self, &end);
		break;
	}
}

static struct instance *find(struct fleet *f, const char *id)
{
	struct instance *i;

	chain_each(i, &f->ground.instances, in_ground)
		if (!i->ahead && strcmp(i->id, id) == 0)
			return i;
	return NULL;
}

static struct one *place(struct execs *m, uint64_t cookie)
{
	for (size_t n = 0; n < EXECS_MAX; n++)
		if (m->all[n].cookie == cookie)
			return &m->all[n];
	return NULL;
}

/* argc strings, each with its end. */
static bool is_blob(const char *blob, size_t size, uint32_t count)
{
	const char *end = blob + size;

	for (; count > 0 && blob < end; count--) {
		const char *nul = memchr(blob, '\0', (size_t)(end - blob));

		if (!nul)
			return false;
		blob = nul + 1;
	}
	return count == 0;
}

static int begin(struct execs *m, struct instance *i, const struct wire_exec_start *ask,
		 struct one *one, char *text, size_t text_size)
{
	int r;

	if (i->state == INSTANCE_FROZEN || i->state == INSTANCE_FREEZING)
		freezer_thaw(i);
	r = exec_start(i, ask, &one->exec, text, text_size);
	if (r < 0)
		return r;
	one->watch = (struct watch){
		.fd = one->exec.session_fd, .on_ready = on_word, .name = "execs on_word"};
	r = loop_watch(m->options.loop, &one->watch, EPOLLIN);
	if (r < 0) {
		exec_fini(&one->exec);
		return r;
	}
	must(one->cookie == 0 && ask->cookie != 0); /* 0 stands for "free" */
	one->cookie = ask->cookie;
	one->slot = i->slot;
	one->generation = i->generation;
	i->execs++;
	return 0;
}

int execs_start(struct execs *m, const struct wire_exec_start *ask)
{
	char text[ERROR_TEXT_SIZE] = "the command cannot be watched";
	struct one *one = place(m, 0);
	struct instance *i;
	int r;

	if (!ask->cookie || !text_terminated(ask->id, sizeof(ask->id)) || ask->argc == 0 ||
	    ask->tty > 1 || ask->rows > UINT16_MAX || ask->columns > UINT16_MAX ||
	    !is_blob(ask->argv, sizeof(ask->argv), ask->argc) || place(m, ask->cookie))
		return -EPROTO;
	i = find(m->options.fleet, ask->id);
	if (!i)
		refuse(m, ask->cookie, -ENOENT, "there is no such instance");
	else if (!instance_is_up(i))
		refuse(m, ask->cookie, -EAGAIN, "the instance is not ready, or about to end");
	else if (!one)
		refuse(m, ask->cookie, -ENOBUFS, "too many commands run on this host");
	else {
		r = begin(m, i, ask, one, text, sizeof(text));
		if (r < 0)
			refuse(m, ask->cookie, r, text);
	}
	return 0;
}

int execs_signal(struct execs *m, const struct wire_exec_signal *ask)
{
	struct one *one = ask->cookie ? place(m, ask->cookie) : NULL;

	if (ask->number > 64)
		return -EPROTO;
	if (!one)
		return 0;
	if (ask->number > 0)
		exec_signal(&one->exec, ask->number);
	else
		drop(one);
	return 0;
}
