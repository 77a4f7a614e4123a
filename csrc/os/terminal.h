/* terminal.h - terminal size, hangup detection and character widths, for command-line programs.
 */
#ifndef OS_TERMINAL_H
#define OS_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* Returns false if the descriptor is not a terminal; otherwise sets *columns and *rows. They
 * are 0 for a terminal of unknown size, such as a serial line. */
bool terminal_size(int descriptor, unsigned *columns, unsigned *rows);

/* Waits for ms milliseconds, until a signal, or until the other end of the descriptor is closed
 * (a pipe without a reader, a terminal that hung up). Returns true in the last case. */
bool terminal_wait(int descriptor, unsigned ms);

/* Returns the number of columns of a character: 0 if it combines with the character before it,
 * 1 or 2; -1 if it is not printable. */
int terminal_char_columns(uint32_t character);

#endif
