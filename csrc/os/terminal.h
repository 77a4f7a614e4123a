/* terminal.h - terminal size, hangup detection and character widths, for command-line programs.
 */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Sets *columns and *rows to the size of the terminal. Both are 0 for a terminal of unknown size,
 * such as a serial line. Returns false if the descriptor is not a terminal. */
bool terminal_size(int descriptor, unsigned *columns, unsigned *rows);

/* Waits for ms milliseconds, until a signal, or until the other end of the descriptor is closed
 * (a pipe without a reader, a terminal that hung up). Returns true in the last case. */
bool terminal_wait(int descriptor, unsigned ms);

/* Returns the number of columns of a character on a terminal: 0 if the character combines with the
 * one before it, otherwise 1 or 2, and -1 if it is not printable. */
int terminal_char_columns(uint32_t character);

#endif
