/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside cgroups/: where ebb's tree is in each hierarchy, and which hierarchy owns which
 * controller. Nobody else includes this (tests do).
 */
#ifndef EBB_CGROUPS_TREE_H
#define EBB_CGROUPS_TREE_H

#include "cgroups/cgroup.h"

#define CGROUP_CONTROLLERS(X) X(MEMORY, "memory") X(CPU, "cpu") X(PIDS, "pids")
#define X(id, name)           CGROUP_##id,
enum cgroup_controller { CGROUP_CONTROLLERS(X) CGROUP_CONTROLLER_COUNT };
#undef X

struct cgroup_hierarchy {
	int base_fd;    /* the directory that holds the tree: the mount, or our delegated cgroup */
	int tree_fd;    /* <base>/<name> */
	dev_t dev;      /* which hierarchy: v1 controllers may be mounted together */
	char path[512]; /* of the base, for messages */
};

struct cgroup_tree {
	char name[64];
	unsigned int count;
	struct cgroup_hierarchy at[1 + CGROUP_CONTROLLER_COUNT]; /* [0] is cgroup2, the others v1 */
	unsigned char home[CGROUP_CONTROLLER_COUNT];             /* controller -> index into at[] */
	struct cgroup_abilities abilities;
};

/* ---- mounts.c ---- */

/* The leaf to which ebbd goes when it has to make room in a cgroup that was delegated to it. With
 * systemd 254 and DelegateSubgroup=supervisor it starts there already. */
#define CGROUP_SUPERVISOR_LEAF "supervisor"

/* A mounted cgroup file system. root is the directory of the hierarchy that the mount shows. */
struct cgroup_mount {
	int dir_fd;
	char path[512], root[512];
};
/* Opens the first mount of this type whose super options hold option (NULL: any). 0 with *out,
 * -ENOENT without one, or -errno. */
int cgroup_mount_find(const char *fs_type, const char *option, struct cgroup_mount *out);
/* Finds the cgroup2 directory that may hold the tree: our own cgroup if it was delegated to us,
 * else the mount's root. Takes over m's descriptor. *inside: this process itself is in that
 * directory. 0 or -errno. */
int cgroup_base_find(struct cgroup_mount *m, struct cgroup_hierarchy *base, bool *inside);
/* Whether list holds word; separators are the bytes between words. */
bool cgroup_list_has(const char *list, const char *word, const char *separators);

/* ---- own.c ---- */

/* Moves all processes out of <tree>/own, and removes that directory. */
void cgroup_own_leave(const struct cgroup_tree *t);

/* ---- limits.c ---- */

/* Writes the limits of the leaf at path. 0 or -errno. */
int cgroup_limits_write(const struct cgroup_tree *t, const char *path,
			const struct cgroup_limits *limits);

/* ---- tree.c ---- */

/* Lets the children of a cgroup2 directory use every controller that lives in v2. 0, or -errno and
 * the controller that failed. */
int cgroup_controllers_enable(const struct cgroup_tree *t, int dir_fd,
			      enum cgroup_controller *failed);

/* ---- meter.c ---- */

/* The number behind key, in a file of "key value" lines. 0, -ENODATA without the key, or -errno. */
int cgroup_field_read(int fd, const char *key, uint64_t *out);

#endif
