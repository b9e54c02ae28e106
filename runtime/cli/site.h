/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a file (rewrites, redirects, headers, cleanUrls, trailingSlash), of itself and of
 * its services, as the document that ebb-api takes: PUT /v1/sites/NAME. */
#ifndef EBB_CLI_SITE_H
#define EBB_CLI_SITE_H

#include "runtime/cli/spec.h"

/* Whether the file or a service of it has rules. */
bool site_has_rules(const struct spec *spec);
/* Whether requests find services by the rewrites of the file alone. */
bool site_leads(const struct spec *spec);
/* Whether a rewrite of the file leads into the service. */
bool site_leads_to(const struct spec *spec, const char *service);
/* Writes the document. key: of the object in another one, or NULL. */
void site_write(const struct spec *spec, const char *key, struct json_out *out);
/* Compiles the rules as ebb-api will, and reports all that is wrong or taken otherwise. The spec
 * keeps what is right. */
void site_check(struct spec *spec, struct report *report);
/* The service into which rewrites lead a path (with its query) that has no other property, or NULL.
 * seen: the path that the service sees, if rules change it; else "". */
const struct spec_service *site_owner(const struct spec *spec, const char *path, char *seen,
				      size_t size);

#endif
