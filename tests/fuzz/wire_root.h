/* SPDX-License-Identifier: Apache-2.0 */
/* The root side of fuzz_wire.c, apart because both sides call something a service. */
#ifndef EBB_TESTS_FUZZ_WIRE_ROOT_H
#define EBB_TESTS_FUZZ_WIRE_ROOT_H

#include "runtime/wire/records.h"

/* 0, or -EPROTO for what ebbd would refuse. */
int wire_root_service_put(const struct wire_service_put *put);

#endif
