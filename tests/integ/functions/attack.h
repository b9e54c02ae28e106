/* SPDX-License-Identifier: Apache-2.0 */
/* Work of a hostile program that costs others. (hoard.h: things that such a program keeps.) */
#ifndef PROBE_ATTACK_H
#define PROBE_ATTACK_H

#include "http.h"

/* ?what=KIND&ms=N&threads=T attacks for N ms on T threads. {"did"}: how often. */
void on_attack(struct call *c);
/* ?ms=N: answered at once; ms later the program ends by itself with status 3. */
void on_dying(struct call *c);
/* ?n=N: the neighbour's work, that many steps. {"sum"} */
void on_steps(struct call *c);
/* ?n=N&fds=M: M descriptors that N children share, from now on. {"made"} */
void on_sharing(struct call *c);

#endif
