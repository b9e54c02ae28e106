/* SPDX-License-Identifier: Apache-2.0 */
/* Records of sites: hosts whose requests go through a table of rules (runtime/rules) first. ebb-api
 * makes the table, ebbd passes it on unread, and a gateway believes it only after rules_valid. */
#ifndef EBB_WIRE_SITE_RECORDS_H
#define EBB_WIRE_SITE_RECORDS_H

#include <stdint.h>

#include "runtime/wire/common_records.h"

#define SITES_MAX      256
#define SITE_HOSTS_MAX 64
#define SITE_BYTES_MAX (4u << 20)

/* SITE_PUT from ebb-api, which RESULT answers, and to gateways. A site with a name that is there
 * replaces it. fd: a file with the table, `size` bytes. Without hosts the site has NAME.localhost,
 * and hosts that nobody else has. */
struct wire_site {
	uint64_t cookie;
	uint32_t size, host_count;
	char name[SERVICE_NAME_SIZE];
	char hosts[SITE_HOSTS_MAX][HOST_NAME_SIZE]; /* lower case, no port */
	/* A deployment of the site `of`, whose name is OF-ID, without hosts. It has NAME.localhost,
	 * and, until then, requests to its site that name it. */
	char of[SERVICE_NAME_SIZE]; /* "": a site */
	uint64_t until_us;          /* wall clock; UINT64_MAX: for ever */
};

/* SITE_DEL, the same ways. */
struct wire_site_del {
	uint64_t cookie;
	char name[SERVICE_NAME_SIZE];
};

/* SITES_KNOWN, without a record, to gateways: sites that were not said since RESUME are gone. */

#endif
