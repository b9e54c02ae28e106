/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions about names and the addresses in their answers. Pure. */
#ifndef EBB_DNS_POLICY_H
#define EBB_DNS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/wire/net_records.h"

/* Whether an instance may ask for a name (small letters, no dot at the end). out_ports gets the
 * ports that its addresses are opened for, and the number of them is returned: 0 behind true means
 * that nothing needs to be opened (internet), a port 0 means every port. -1: it may not ask. */
int policy_name(const struct wire_egress *e, const char *name,
		uint16_t out_ports[EGRESS_NAMES_MAX]);

/* An address of an answer. DROP: the instance must not see it. KEEP: the rules judge it as they
 * judge an address that nobody named. OPEN: it is to be opened. */
enum address_fate { ADDRESS_DROP, ADDRESS_KEEP, ADDRESS_OPEN };
enum address_fate policy_address(const struct wire_egress *e, const uint8_t address[16]);

#endif
