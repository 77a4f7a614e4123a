/* terminal.h - the door to whoever reads what a program writes.
 *
 * For command lines: whether a descriptor is a terminal and how big it is,
 * whether anybody still reads a pipe, and how wide a character stands.
 */
#ifndef SYS_TERMINAL_H
#define SYS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* False: the descriptor is no terminal. A terminal that does not know its own
 * size (a serial line) says 0. */
bool terminal_size(int descriptor, unsigned *columns, unsigned *rows);

/* True if what is written there can't be read by anybody any more: a pipe
 * without a reader, a terminal that hung up. Never waits. */
bool terminal_is_abandoned(int descriptor);

/* Columns that a character takes: 0 (it joins the one before), 1 or 2; -1 for
 * what has no shape, as controls have none. */
int terminal_char_columns(uint32_t character);

#endif
