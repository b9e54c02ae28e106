// SPDX-License-Identifier: Apache-2.0
/* The parts that instances are made of: the cgroup tree, the zygote, the board, the images. */
#include "runtime/supervisor/ebbd.h"

#include <errno.h>
#include <fcntl.h>

#include "cgroups/cgroup.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/supervisor/scale/adopt.h"

#define ZYGOTE_TRIES 10

static int empty_tree(struct ebbd *e, struct fault *f)
{
	int r = cgroup_tree_purge(e->tree, PURGE_MS);

	if (r < 0)
		return fault_errno(f, r, "the leftovers of an earlier ebbd cannot be removed");
	if (r > 0)
		log_warn("event=purged leaves=%d cause=\"left by an earlier ebbd\"", r);
	(void)cgroup_own_enter(e->tree); /* if not, what it starts waits longer beside instances */
	return 0;
}

int ebbd_open_tree(struct ebbd *e, struct fault *f)
{
	int r = cgroup_tree_open(e->config.cgroup, &e->tree, f);

	if (r < 0 || !e->heritage.follows)
		return r < 0 ? r : empty_tree(e, f);
	(void)cgroup_own_enter(e->tree);
	return 0;
}

/* One that was killed before it was ready is made again, as a later one is (revive.c): its death is
 * not that of ebbd. */
int ebbd_open_zygote(struct ebbd *e, struct fault *f)
{
	int r = ebbd_start_zygote(e, f);

	for (int n = 1; r == -ECHILD && n < ZYGOTE_TRIES; n++) {
		log_warn("event=zygote_died_early again=%d", n);
		*f = (struct fault){0};
		r = ebbd_start_zygote(e, f);
	}
	return r;
}

/* Instances that have a row stay; sandboxes that nobody had claimed do not. */
int ebbd_take_heritage(struct ebbd *e, struct fault *f)
{
	int r = heritage_take(&e->heritage, e->life);

	if (r < 0)
		return fault_errno(f, r, "the ebbd before cannot be followed");
	if (e->life == KEEPER_FIRST)
		return 0;
	if (e->life == KEEPER_AFRESH) {
		reload_afresh(&e->reload);
		return empty_tree(e, f);
	}
	reload_adopt(&e->reload);
	r = cgroup_tree_purge_but(e->tree, adopt_cgroups(), PURGE_MS, adopt_has_cgroup,
				  e->heritage.estate);
	return r < 0 ? fault_errno(f, r, "the leftovers of the ebbd before cannot be removed") : 0;
}

int ebbd_open_board(struct ebbd *e, struct fault *f)
{
	SCOPED_FD run_fd = open(e->config.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = run_fd < 0 ? -errno : 0;

	e->board_fd = estate_file(e->heritage.estate, "board");
	if (e->board_fd >= 0)
		r = board_open(e->board_fd, &e->board);
	else if (r == 0)
		r = board_create(run_fd, gateways_seats((uint32_t)e->config.gateways), &e->board,
				 &e->board_fd);
	if (r == 0)
		r = estate_keep_file(e->heritage.estate, "board", e->board_fd);
	return r < 0 ? fault_errno(f, r, "cannot make the board in %s", e->config.run_dir) : 0;
}

static void on_lost_service(const char *name)
{
	log_warn("event=not_adopted service=%s cause=\"its image cannot be opened\"", name);
}

int ebbd_open_images(struct ebbd *e, struct fault *f)
{
	char unpack[CONFIG_PATH_SIZE + 16];
	int r;

	(void)text_format(unpack, sizeof(unpack), "%s/ebb-unpack", e->config.libexec_dir);
	r = image_store_open(e->config.image_dir, unpack, (uint32_t)e->config.id_base, &e->images,
			     f);
	if (r == 0)
		log_info("event=images layers=%s",
			 image_store_uses_erofs(e->images) ? "erofs" : "directories");
	if (r == 0 && image_store_maps_ids(e->images) == -EOPNOTSUPP)
		log_warn("event=no_images cause=\"the file system of %s cannot be mounted with "
			 "other "
			 "ids\" mend=\"let image_dir be on ext4, xfs, btrfs or tmpfs\"",
			 e->config.image_dir);
	if (r == 0)
		services_adopt(e->services, e->images, on_lost_service);
	return r;
}
