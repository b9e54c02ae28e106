/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The io_uring of a gateway. Root makes it, because it would not fit a normal memlock limit and
 * must work under io_uring_disabled=1. Root closes it down to the operations of a proxy, and hands
 * it over disabled. The gateway enables it and is then its only issuer (io_uring_setup(2),
 * IORING_SETUP_SINGLE_ISSUER).
 */
#ifndef EBB_SUPERVISOR_RING_H
#define EBB_SUPERVISOR_RING_H

#include <linux/io_uring.h>

/* 0 with *out_fd (the caller's) and *params as the kernel filled it, or -errno. */
int gateway_ring(struct io_uring_params *params, int *out_fd);

#endif
