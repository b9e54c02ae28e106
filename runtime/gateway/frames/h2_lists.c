// SPDX-License-Identifier: Apache-2.0
#include "runtime/gateway/frames/h2_lists.h"

#include "runtime/base/mem.h"

static struct h2_stream_links *stream_at(struct h2_table t, uint32_t number)
{
	must(number > 0);
	return (struct h2_stream_links *)(void *)((char *)t.at + (number - 1) * t.stride);
}

static struct h2_session_links *session_at(struct h2_table t, uint32_t number)
{
	must(number > 0);
	return (struct h2_session_links *)(void *)((char *)t.at + (number - 1) * t.stride);
}

void h2_work_note(struct h2_stream_lists *l, struct h2_table streams, uint32_t index, uint8_t event)
{
	struct h2_stream_links *s = stream_at(streams, index + 1);

	s->events |= event;
	if (s->in_work)
		return;
	s->in_work = true;
	s->work_next = 0;
	s->work_prev = l->work_tail;
	if (l->work_tail)
		stream_at(streams, l->work_tail)->work_next = index + 1;
	else
		l->work_head = index + 1;
	l->work_tail = index + 1;
}

void h2_work_remove(struct h2_stream_lists *l, struct h2_table streams, uint32_t index)
{
	struct h2_stream_links *s = stream_at(streams, index + 1);

	if (!s->in_work)
		return;
	s->in_work = false;
	if (s->work_prev)
		stream_at(streams, s->work_prev)->work_next = s->work_next;
	else
		l->work_head = s->work_next;
	if (s->work_next)
		stream_at(streams, s->work_next)->work_prev = s->work_prev;
	else
		l->work_tail = s->work_prev;
}

void h2_heads_push(struct h2_stream_lists *l, struct h2_table streams, uint32_t index)
{
	struct h2_stream_links *s = stream_at(streams, index + 1);

	if (s->head_waits)
		return;
	s->head_waits = true;
	s->head_next = 0;
	if (l->heads_tail)
		stream_at(streams, l->heads_tail)->head_next = index + 1;
	else
		l->heads_head = index + 1;
	l->heads_tail = index + 1;
}

void h2_heads_remove(struct h2_stream_lists *l, struct h2_table streams, uint32_t index)
{
	struct h2_stream_links *s = stream_at(streams, index + 1);
	uint32_t before = 0, at = l->heads_head;

	if (!s->head_waits)
		return;
	s->head_waits = false;
	for (; at != index + 1; at = stream_at(streams, at)->head_next)
		before = at;
	if (before)
		stream_at(streams, before)->head_next = s->head_next;
	else
		l->heads_head = s->head_next;
	if (l->heads_tail == index + 1)
		l->heads_tail = before;
}

void h2_due_mark(struct h2_due *d, struct h2_table sessions, uint32_t index)
{
	struct h2_session_links *s = session_at(sessions, index + 1);

	if (s->dirty)
		return;
	s->dirty = true;
	s->dirty_next = d->dirty;
	d->dirty = index + 1;
}

void h2_due_wait(struct h2_due *d, struct h2_table sessions, uint32_t index)
{
	struct h2_session_links *s = session_at(sessions, index + 1);

	if (s->waits)
		return;
	s->waits = true;
	s->wait_next = d->waiting;
	d->waiting = index + 1;
}

void h2_due_retry(struct h2_due *d, struct h2_table sessions)
{
	uint32_t at = d->waiting;

	d->waiting = 0;
	while (at) {
		struct h2_session_links *s = session_at(sessions, at);
		uint32_t index = at - 1;

		at = s->wait_next;
		s->waits = false;
		h2_due_mark(d, sessions, index);
	}
}

uint32_t h2_due_take(struct h2_due *d)
{
	uint32_t first = d->dirty;

	d->dirty = 0;
	return first;
}

uint32_t h2_due_next(struct h2_table sessions, uint32_t taken)
{
	struct h2_session_links *s = session_at(sessions, taken);

	must(s->dirty);
	s->dirty = false;
	return s->dirty_next;
}
