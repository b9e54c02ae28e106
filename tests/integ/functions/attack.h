/* SPDX-License-Identifier: Apache-2.0 */
/* The daily work of a hostile program: work that costs others, not things that it keeps (hoard.h).
 */
#ifndef PROBE_ATTACK_H
#define PROBE_ATTACK_H

#include "http.h"

/* ?what=KIND&ms=N&threads=T does it for so long on so many threads: {"did"}, how often. */
void on_attack(struct call *c);
/* ?ms=N: answered at once; ms later the program ends by itself with status 3. */
void on_dying(struct call *c);
/* ?n=N: the neighbour's work, that many steps. {"sum"} */
void on_steps(struct call *c);
/* ?n=N&fds=M: M descriptors that N children share, from now on. {"made"} */
void on_sharing(struct call *c);

#endif
