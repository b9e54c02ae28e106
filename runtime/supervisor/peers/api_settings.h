/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of ebbd that concern ebb-api. apilink.c sends them at the start and at SIGHUP. */
#ifndef EBB_SUPERVISOR_API_SETTINGS_H
#define EBB_SUPERVISOR_API_SETTINGS_H

#include "runtime/supervisor/host/config.h"
#include "runtime/supervisor/programs/daemon.h"

void api_settings_fill(const struct program_host *host, uint64_t boot_us,
		       struct wire_api_config *out);
/* Adds the key of secrets, or the reason why there is none: services without secrets go on. */
void api_settings_add_key(const struct config *c, struct wire_api_config *out);
/* Gives the API's socket to its group; a failure is logged, because nothing else depends on it. */
void api_settings_give_socket(const struct config *c);

#endif
