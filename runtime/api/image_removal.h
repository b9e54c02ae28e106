/* SPDX-License-Identifier: Apache-2.0 */
/* Removing images: they are marked on disk, then their layers are removed one by one, then the
 * images are forgotten. A crash in between leaves them marked, and the next gc goes on. */
#ifndef EBB_API_IMAGE_REMOVAL_H
#define EBB_API_IMAGE_REMOVAL_H

struct image;
struct request;

/* Removes this image, or (NULL) every image without a name that no kept revision of a service uses.
 * Answers rq: 200 with what was removed, or a problem. */
void image_removal_run(struct request *rq, const struct image *image);

#endif
