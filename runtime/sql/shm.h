/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The -shm file, which SQLite shares with readers of a database while it is written.
 *
 * SQLite extends the file by a byte in each 4 KiB and then writes to it through a mapping. On a
 * file system with smaller blocks the blocks between those bytes are holes. With a full disk a
 * write to a hole is a SIGBUS, which tells no cause and comes again after each start. So the blocks
 * are allocated before SQLite gets a region: then a full disk is an error like any other.
 */
#ifndef EBB_SQL_SHM_H
#define EBB_SQL_SHM_H

struct shm;
struct sqlite3;

/* To be called before the database is read for the first time. 0 and *out, or -errno. */
int shm_guard(struct sqlite3 *sql, struct shm **out);
/* To be called after sqlite3_close: closing the file earlier would drop SQLite's own locks on it
 * (fcntl(2): closing any descriptor of a file drops all record locks of the process). NULL is
 * fine. */
void shm_free(struct shm *shm);

#endif
