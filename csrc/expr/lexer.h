/* lexer.h - splits the text of an expression into tokens.
 *
 * Blanks (space, tab, CR, LF) separate tokens and are skipped. Each character that cannot start a
 * token becomes a TOKEN_OTHER, and so does each byte that is not UTF-8. So any bytes can be split.
 */
#ifndef EXPR_LEXER_H
#define EXPR_LEXER_H

#include <stdbool.h>

#include "base/buffer.h"

/* Maximum length of an expression, in bytes. */
#define EXPRESSION_BYTES_MAX 4096

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,              /* [A-Za-z][A-Za-z0-9_]*: a name, a function or a keyword */
	TOKEN_NAME,              /* #[A-Za-z0-9_]+ */
	TOKEN_VALUE,             /* :[A-Za-z0-9_]+ */
	TOKEN_POSITION,          /* ? */
	TOKEN_NUMBER,            /* [0-9]+ */
	TOKEN_OPEN, TOKEN_CLOSE,                 /* ( ) */
	TOKEN_OPEN_BRACKET, TOKEN_CLOSE_BRACKET, /* [ ] */
	TOKEN_COMMA, TOKEN_DOT, TOKEN_PLUS, TOKEN_MINUS,
	TOKEN_EQUAL, TOKEN_NOT_EQUAL, TOKEN_LESS, TOKEN_LESS_OR_EQUAL, TOKEN_GREATER,
	TOKEN_GREATER_OR_EQUAL,
	TOKEN_OTHER,
};

enum keyword {
	KEYWORD_NONE,
	KEYWORD_AND, KEYWORD_OR, KEYWORD_NOT, KEYWORD_IN, KEYWORD_BETWEEN,
	KEYWORD_SET, KEYWORD_REMOVE, KEYWORD_ADD, KEYWORD_DELETE,
};

struct token {
	uint8_t kind;            /* enum token_kind */
	uint8_t keyword;         /* enum keyword of a TOKEN_WORD; case-insensitive */
	uint16_t start, len;     /* position in the text */
};

/* Writes the tokens of the text, followed by a TOKEN_END. Returns the number of tokens, including
 * the TOKEN_END. `tokens` must have text.len + 1 elements, and text.len must be at most
 * EXPRESSION_BYTES_MAX. */
unsigned lexer_split(struct slice text, struct token *tokens);

static inline struct slice token_text(struct slice text, struct token token)
{
	return slice_of(text.data + token.start, token.len);
}

/* Returns true if the text is a placeholder, which consists of the mark (# or :) and one or more
 * of A-Z a-z 0-9 _. */
bool is_placeholder(struct slice text, char mark);

#endif
