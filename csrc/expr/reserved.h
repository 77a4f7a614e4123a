/* reserved.h - DynamoDB's reserved words, which cannot be attribute names in expressions. */
#ifndef EXPR_RESERVED_H
#define EXPR_RESERVED_H

#include <stdbool.h>

#include "base/buffer.h"

#define RESERVED_COUNT 573

/* Returns true if the word is reserved; case-insensitive. */
bool is_reserved(struct slice word);

/* Returns the n-th reserved word, 0..RESERVED_COUNT - 1, ascending. */
const char *reserved_word(unsigned n);

#endif
