// SPDX-License-Identifier: Apache-2.0
/* passwd(5) and group(5) of an image, which are foreign text: bounded, and never through NSS. */
#include "images/unpack/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"

#define TABLE_BYTES_MAX (1u << 20)
#define FIELDS_MAX      7
#define USERS_MAX       128

static char *read_table(int fd)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > TABLE_BYTES_MAX)
		return NULL;
	text = malloc((size_t)st.st_size + 1);
	n = text ? fd_read_all(fd, text, (size_t)st.st_size) : -1;
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

/* Reads a table of the image; NULL if there is none. Links are followed, because the root of this
 * process is the root of the image. */
static char *image_file(const char *path)
{
	SCOPED_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? NULL : read_table(fd);
}

/* Splits the next line of *text at ':'. Returns the number of fields, 0 at the end. */
static size_t next_line(char **text, char *fields[FIELDS_MAX])
{
	size_t count = 0;
	char *line;

	do {
		line = strsep(text, "\n");
	} while (line && !*line);
	while (line && count < FIELDS_MAX)
		fields[count++] = strsep(&line, ":");
	return count;
}

static bool id_parse(const char *text, uint32_t *out)
{
	uint64_t n;

	if (text_parse_u64(text, 0, IMAGE_IDS - 1, &n) < 0)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* Finds the line "name:x:id:..." with the wanted name or number; passwd and group both have such
 * lines. fields point into text. */
static bool find_line(char *text, const char *wanted, char *fields[FIELDS_MAX])
{
	uint32_t number = 0, id;
	bool numeric = id_parse(wanted, &number);
	size_t count;

	while ((count = next_line(&text, fields)) > 0)
		if (count >= 4 && id_parse(fields[2], &id) &&
		    (numeric ? id == number : strcmp(fields[0], wanted) == 0))
			return true;
	return false;
}

static int resolve_uid(struct unpack *u, const char *name, char *login, size_t login_size)
{
	SCOPED_MEM char *passwd = image_file("/etc/passwd");
	char *fields[FIELDS_MAX];

	login[0] = '\0';
	if (passwd && find_line(passwd, name, fields)) {
		(void)id_parse(fields[2], &u->config.uid);
		if (!id_parse(fields[3], &u->config.gid))
			return unpack_fail(u, -EINVAL,
					   "user %.64s: its group in /etc/passwd is "
					   "not below 65536",
					   name);
		return text_copy(login, login_size, fields[0]) < 0 ? -ENAMETOOLONG : 0;
	}
	if (id_parse(name, &u->config.uid))
		return 0; /* a number needs no entry; its group is then 0 */
	return unpack_fail(u, -ENOENT, "user %.64s: is not in the image's /etc/passwd", name);
}

static int resolve_gid(struct unpack *u, const char *name)
{
	SCOPED_MEM char *group = image_file("/etc/group");
	char *fields[FIELDS_MAX];

	if (id_parse(name, &u->config.gid))
		return 0;
	if (group && find_line(group, name, fields) && id_parse(fields[2], &u->config.gid))
		return 0;
	return unpack_fail(u, -ENOENT, "group %.64s: is not in the image's /etc/group", name);
}

static bool is_member(char *members, const char *login)
{
	char *name;

	while ((name = strsep(&members, ",")))
		if (strcmp(name, login) == 0)
			return true;
	return false;
}

/* The groups that list the user, as a login would give them. */
static void add_groups(struct unpack *u, const char *login)
{
	SCOPED_MEM char *group = image_file("/etc/group");
	struct wire_image_config *c = &u->config;
	char *at = group, *fields[FIELDS_MAX];
	uint32_t gid;
	size_t count;

	while (at && c->group_count < ARRAY_LEN(c->groups) && (count = next_line(&at, fields)) > 0)
		if (count >= 4 && id_parse(fields[2], &gid) && gid != c->gid &&
		    is_member(fields[3], login))
			c->groups[c->group_count++] = gid;
}

/* Makes a text of config.users. False when it does not fit or would be read wrongly. */
static bool user_text(char *const fields[FIELDS_MAX], const char *group, char *out, size_t size)
{
	char groups[256] = "";
	SCOPED_MEM char *copy = group ? strdup(group) : NULL;
	char *at = copy, *other[FIELDS_MAX];
	size_t used = 0, count;

	while (at && (count = next_line(&at, other)) > 0) {
		uint32_t gid;
		int n;

		if (count < 4 || !id_parse(other[2], &gid) || !is_member(other[3], fields[0]))
			continue;
		n = snprintf(groups + used, sizeof(groups) - used, "%s%" PRIu32, used ? "," : "",
			     gid);
		if (n < 0 || (size_t)n >= sizeof(groups) - used)
			return false;
		used += (size_t)n;
	}
	return fields[0][0] && text_format(out, size, "%s:%s:%s:%s:%s", fields[0], fields[2],
					   fields[3], groups, fields[5]) == 0;
}

/* Lists the users in u->config, for services that name another user, and for HOME. Users that do
 * not fit are left out. */
static void list_users(struct unpack *u)
{
	SCOPED_MEM char *passwd = image_file("/etc/passwd");
	SCOPED_MEM char *group = image_file("/etc/group");
	char *at = passwd, *fields[FIELDS_MAX];
	size_t used = 0, count;
	uint32_t id;

	while (at && u->config.user_count < USERS_MAX && (count = next_line(&at, fields)) > 0) {
		char text[512];

		if (count < 6 || !id_parse(fields[2], &id) || !id_parse(fields[3], &id) ||
		    !user_text(fields, group, text, sizeof(text)) ||
		    used + strlen(text) + 1 > sizeof(u->config.users))
			continue;
		memcpy(u->config.users + used, text, strlen(text) + 1);
		used += strlen(text) + 1;
		u->config.user_count++;
	}
}

int user_resolve(struct unpack *u, const char *user)
{
	char name[256], login[256];
	char *group = NULL;
	int r;

	if (text_copy(name, sizeof(name), user) < 0)
		return unpack_fail(u, -ENAMETOOLONG, "config: User is too long");
	list_users(u);
	group = strchr(name, ':');
	if (group)
		*group++ = '\0';
	r = resolve_uid(u, name[0] ? name : "0", login, sizeof(login));
	if (r == 0 && group && group[0])
		return resolve_gid(u, group);
	if (r == 0 && login[0])
		add_groups(u, login);
	return r;
}
