/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBB_TESTS_RING_GUEST_H
#define EBB_TESTS_RING_GUEST_H

void ring_try(void);  /* says what each attempt gave */
void ring_work(void); /* keeps a worker thread of the ring busy */

#endif
