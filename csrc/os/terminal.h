/* terminal.h - the door to whoever reads what a program writes.
 *
 * For command lines: whether a descriptor is a terminal and how big it is,
 * whether anybody still reads a pipe, and how wide a character stands.
 */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* False: the descriptor is no terminal. A terminal that does not know its own
 * size (a serial line) says 0. */
bool terminal_size(int descriptor, unsigned *columns, unsigned *rows);

/* Waits until nobody can read any more what is written there (a pipe without a
 * reader, a terminal that hung up): true; or so many ms, or until a signal. */
bool terminal_wait(int descriptor, unsigned ms);

/* Columns that a character takes: 0 (it joins the one before), 1 or 2; -1 for
 * what has no shape, as controls have none. */
int terminal_char_columns(uint32_t character);

#endif
