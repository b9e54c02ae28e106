// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervisor/peers/sites.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

/* A file that a gateway can read, of the size that the record says. */
static bool is_table(int fd, uint32_t size)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) == O_RDONLY &&
	       fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == (off_t)size;
}

static bool record_ok(const struct wire_site *r)
{
	if (r->size == 0 || r->size > SITE_BYTES_MAX || r->host_count > SITE_HOSTS_MAX ||
	    !text_terminated(r->name, sizeof(r->name)) || !text_is_label(r->name) ||
	    !text_terminated(r->of, sizeof(r->of)) || (r->of[0] && !text_is_label(r->of)) ||
	    (r->of[0] && r->host_count > 0))
		return false;
	for (uint32_t i = 0; i < r->host_count; i++)
		if (!text_terminated(r->hosts[i], sizeof(r->hosts[i])) || !r->hosts[i][0])
			return false;
	return true;
}

static struct site *find(struct sites *all, const char *name)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (all->list[i].used && strcmp(all->list[i].record.name, name) == 0)
			return &all->list[i];
	return NULL;
}

static struct site *take_place(struct sites *all)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (!all->list[i].used) {
			all->list[i] = (struct site){.used = true, .fd = -1};
			all->count++;
			return &all->list[i];
		}
	return NULL;
}

int sites_put(struct sites *all, const struct wire_site *record, int *fd)
{
	struct site *s;

	if (!record_ok(record) || !is_table(*fd, record->size))
		return -EPROTO;
	s = find(all, record->name);
	s = s ? s : take_place(all);
	if (!s)
		return -ENOSPC;
	fd_close(&s->fd);
	s->fd = keep_fd(fd);
	s->said = true;
	s->record = *record;
	s->record.cookie = 0;
	return 0;
}

static void drop(struct sites *all, struct site *s)
{
	must(all->count > 0);
	fd_close(&s->fd);
	s->used = false;
	all->count--;
}

int sites_del(struct sites *all, const char *name)
{
	struct site *s = find(all, name);

	if (!s)
		return -ENOENT;
	drop(all, s);
	return 0;
}

void sites_unsay(struct sites *all)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		all->list[i].said = false;
}

const struct site *sites_unsaid(const struct sites *all)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (all->list[i].used && !all->list[i].said)
			return &all->list[i];
	return NULL;
}

void sites_fini(struct sites *all)
{
	for (uint32_t i = 0; i < SITES_MAX; i++)
		if (all->list[i].used)
			drop(all, &all->list[i]);
}
