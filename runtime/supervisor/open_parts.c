// SPDX-License-Identifier: Apache-2.0
/* The parts that instances are made of: the cgroup tree, the zygote, the board, the images. */
#include "runtime/supervisor/ebbd.h"

#include <errno.h>
#include <fcntl.h>

#include "cgroups/cgroup.h"
#include "runtime/base/fd.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"

int ebbd_open_tree(struct ebbd *e, struct fault *f)
{
	int r = cgroup_tree_open(e->config.cgroup, &e->tree, f);

	if (r < 0)
		return r;
	r = cgroup_tree_purge(e->tree, PURGE_MS);
	if (r < 0)
		return fault_errno(f, r, "the leftovers of an earlier ebbd cannot be removed");
	if (r > 0)
		log_warn("event=purged leaves=%d cause=\"left by an earlier ebbd\"", r);
	(void)cgroup_own_enter(e->tree); /* if not, what it starts waits longer beside instances */
	return ebbd_start_zygote(e, f);
}

int ebbd_open_board(struct ebbd *e, struct fault *f)
{
	SCOPED_FD run_fd = open(e->config.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = run_fd < 0 ? -errno
			   : board_create(run_fd, (uint32_t)e->config.gateways, &e->board,
					  &e->board_fd);

	return r < 0 ? fault_errno(f, r, "cannot make the board in %s", e->config.run_dir) : 0;
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
	return r;
}
