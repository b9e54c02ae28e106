/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for people: foreign bytes made harmless, units, and messages in three lines.
 *
 * All text that comes from a server, an image or a function goes through these functions before it
 * reaches a terminal: control bytes (C0, DEL, C1) become \xNN, so foreign text cannot move the
 * cursor or change the title of the window.
 */
#ifndef EBB_CLI_TEXT_OUT_H
#define EBB_CLI_TEXT_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writes size bytes of text with control bytes escaped. keep_tabs: a tab stays one. */
void text_out_escaped(FILE *to, const char *text, size_t size, bool keep_tabs);
/* The same for output of a program. With color its colours (ECMA-48 SGR, "ESC [ ... m") are kept
 * and a reset is written behind them; else its colours are left out. */
void text_out_program(FILE *to, const char *text, size_t size, bool color);
/* The same as text_out_escaped into buf, cut to fit. Returns buf. */
const char *text_escape(char *buf, size_t size, const char *text);

/* Each writes into buf (32 bytes are enough) and returns buf. */
const char *text_bytes(char *buf, size_t size, uint64_t bytes); /* "12.4 MB" */
const char *text_us(char *buf, size_t size, uint64_t us);       /* "1.234 s", "815 us" */
const char *text_age(char *buf, size_t size, uint64_t us);      /* "3m12s" */

/* "ebb: WHAT", "  why:  WHY", "  mend: MEND" on stderr; why and mend may be NULL or empty. */
void say_error(const char *why, const char *mend, const char *what, ...)
	__attribute__((format(printf, 3, 4)));
/* One line on stderr, for progress and warnings; foreign bytes are escaped. */
void say_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
