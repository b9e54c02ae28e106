/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as OCI archives (GET /v1/archives/NAME). A confined helper of ebbd writes the archive into
 * a pipe, and ebb-api copies from there to the client as fast as that reads. Nothing is kept on the
 * way: memory is bounded by the pipe and by what one client may leave unread.
 */
#ifndef EBB_API_IMAGE_EXPORT_H
#define EBB_API_IMAGE_EXPORT_H

struct api;
struct request;

/* The client of rq is gone: its export is given up. */
void image_exports_forget(struct api *api, const struct request *rq);
/* Ends all exports. */
void image_exports_free(struct api *api);

#endif
