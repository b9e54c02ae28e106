/* SPDX-License-Identifier: Apache-2.0 */
/* The deployments that are under way (deploying.h). */
#ifndef EBB_API_DEPLOYS_H
#define EBB_API_DEPLOYS_H

#define DEPLOYING_MAX 8

struct deploying;

struct deploys {
	struct deploying *list[DEPLOYING_MAX];
};

#endif
