/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of ebbd that concern ebb-api. apilink.c sends them at the start and at SIGHUP. */
#ifndef EBB_SUPERVISOR_API_SETTINGS_H
#define EBB_SUPERVISOR_API_SETTINGS_H

#include "runtime/supervisor/host/config.h"

void api_settings_fill(const struct config *c, uint64_t boot_us, struct wire_api_config *out);
/* Gives the API's socket to its group; a failure is logged, because nothing else depends on it. */
void api_settings_give_socket(const struct config *c);

#endif
