/* reserved.h - DynamoDB's reserved words, which cannot be attribute names in expressions. */
#ifndef EXPR_RESERVED_H
#define EXPR_RESERVED_H

#include <stdbool.h>

#include "base/buffer.h"

#define RESERVED_COUNT 573

/* Returns true if the word is reserved, in upper or lower case. */
bool is_reserved(struct slice word);

/* Returns reserved word n, 0..RESERVED_COUNT - 1, in ascending order. */
const char *reserved_word(unsigned n);

#endif
