// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/cursor.h"

#include <string.h>

#include "runtime/base/text.h"

/* The place of the instance, or -1: there is none for so many. */
static int place(struct cursor *c, const char *instance)
{
	for (size_t n = 0; n < c->count; n++)
		if (strcmp(c->at[n].instance, instance) == 0)
			return (int)n;
	if (c->count == CURSOR_INSTANCES ||
	    text_copy(c->at[c->count].instance, sizeof(c->at[0].instance), instance) < 0)
		return -1;
	c->at[c->count].lines = c->at[c->count].skip = 0;
	return (int)c->count++;
}

bool cursor_takes_line(struct cursor *c, const struct json *line)
{
	const char *time = json_string(json_get(line, "time"));
	const char *instance = json_string(json_get(line, "instance"));
	int order, at;

	if (!time || !instance || strlen(time) >= sizeof(c->time))
		return true;
	order = strcmp(time, c->time);
	if (order < 0)
		return !c->again; /* the clock was set back, or it came before */
	if (order > 0) {
		(void)text_copy(c->time, sizeof(c->time), time);
		c->count = 0;
		c->again = false;
	}
	at = place(c, instance);
	if (at >= 0 && c->at[at].skip > 0) {
		c->at[at].skip--;
		return false;
	}
	if (at >= 0)
		c->at[at].lines++;
	return true;
}

bool cursor_takes_event(struct cursor *c, const struct json *event)
{
	int64_t rev;

	if (json_int(json_get(event, "rev"), &rev) < 0)
		return true;
	if (rev <= c->rev)
		return false;
	c->rev = rev;
	return true;
}

void cursor_again(struct cursor *c)
{
	for (size_t n = 0; n < c->count; n++)
		c->at[n].skip = c->at[n].lines;
	c->again = true;
}
