/* lexer.c - splits the text of an expression into tokens. */
#include "expr/lexer.h"

#include <strings.h>

#include "codec/value.h"

static bool is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_part(uint8_t c)
{
	return is_letter(c) || is_digit(c) || c == '_';
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t span(struct slice text, size_t from, bool (*belongs)(uint8_t))
{
	size_t end = from;

	while (end < text.len && belongs(text.data[end]))
		end++;
	return end - from;
}

static enum keyword keyword_of(struct slice word)
{
	static const char *const keywords[] = {
		[KEYWORD_AND] = "AND", [KEYWORD_OR] = "OR", [KEYWORD_NOT] = "NOT",
		[KEYWORD_IN] = "IN", [KEYWORD_BETWEEN] = "BETWEEN", [KEYWORD_SET] = "SET",
		[KEYWORD_REMOVE] = "REMOVE", [KEYWORD_ADD] = "ADD", [KEYWORD_DELETE] = "DELETE",
	};
	unsigned i;

	for (i = KEYWORD_AND; i <= KEYWORD_DELETE; i++)
		if (strlen(keywords[i]) == word.len &&
				strncasecmp(keywords[i], (const char *)word.data, word.len) == 0)
			return (enum keyword)i;
	return KEYWORD_NONE;
}

/* Returns the length of the character at `from`, 1 if the bytes are not UTF-8. */
static size_t character_len(struct slice text, size_t from)
{
	size_t len;

	for (len = 2; len <= 4 && len <= text.len - from; len++)
		if (text.data[from] >= 0xc2 && is_utf8(slice_of(text.data + from, len)))
			return len;
	return 1;
}

static enum token_kind mark_kind(uint8_t c)
{
	switch (c) {
	case '(': return TOKEN_OPEN;
	case ')': return TOKEN_CLOSE;
	case '[': return TOKEN_OPEN_BRACKET;
	case ']': return TOKEN_CLOSE_BRACKET;
	case ',': return TOKEN_COMMA;
	case '.': return TOKEN_DOT;
	case '+': return TOKEN_PLUS;
	case '-': return TOKEN_MINUS;
	case '=': return TOKEN_EQUAL;
	case '<': return TOKEN_LESS;
	case '>': return TOKEN_GREATER;
	case '?': return TOKEN_POSITION;
	default: return TOKEN_OTHER;
	}
}

/* Reads a token of punctuation, which has one or two bytes. `next` is the byte after the first
 * one, 0 at the end of the text. */
static enum token_kind read_mark(uint8_t first, uint8_t next, size_t *len)
{
	*len = 2;
	if (first == '<' && next == '>')
		return TOKEN_NOT_EQUAL;
	if (first == '<' && next == '=')
		return TOKEN_LESS_OR_EQUAL;
	if (first == '>' && next == '=')
		return TOKEN_GREATER_OR_EQUAL;
	*len = 1;
	return mark_kind(first);
}

static struct token read_token(struct slice text, size_t from)
{
	uint8_t first = text.data[from];
	struct token token = { .start = (uint16_t)from };
	size_t len = 1, part = 0;

	if (first == '#' || first == ':')
		part = span(text, from + 1, is_name_part);
	if (is_letter(first)) {
		token.kind = TOKEN_WORD;
		len = span(text, from, is_name_part);
		token.keyword = (uint8_t)keyword_of(slice_of(text.data + from, len));
	} else if (is_digit(first)) {
		token.kind = TOKEN_NUMBER;
		len = span(text, from, is_digit);
	} else if (part > 0) {
		token.kind = first == '#' ? TOKEN_NAME : TOKEN_VALUE;
		len = 1 + part;
	} else {
		token.kind = (uint8_t)read_mark(first,
			from + 1 < text.len ? text.data[from + 1] : 0, &len);
		if (token.kind == TOKEN_OTHER)
			len = character_len(text, from);
	}
	token.len = (uint16_t)len;
	return token;
}

unsigned lexer_split(struct slice text, struct token *tokens)
{
	unsigned count = 0;
	size_t at = span(text, 0, is_blank);

	while (at < text.len) {
		tokens[count] = read_token(text, at);
		at += tokens[count++].len;
		at += span(text, at, is_blank);
	}
	tokens[count] = (struct token){ .kind = TOKEN_END, .start = (uint16_t)at };
	return count + 1;
}

bool is_placeholder(struct slice text, char mark)
{
	return text.len > 1 && text.data[0] == (uint8_t)mark &&
		1 + span(text, 1, is_name_part) == text.len;
}
