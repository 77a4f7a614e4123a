/* message.c - error messages about expressions. */
#include "expr/message.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/value.h"

int expression_fail(struct failure *failure, enum expression_kind kind, const char *format, ...)
{
	char detail[sizeof failure->message * 4];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof detail, format, args);
	va_end(args);
	return fail_as(failure, ERR_VALIDATION, "Invalid %sExpression: %s",
		expression_kind_name(kind), detail);
}

/* Returns the length of the character at p, 0 if it is not UTF-8. */
static size_t character_len(const uint8_t *p, size_t left)
{
	size_t len;

	for (len = 1; len <= 4 && len <= left; len++)
		if (is_utf8(slice_of(p, len)))
			return len;
	return 0;
}

struct quote quote_of(struct slice text)
{
	struct quote quote;
	size_t from = 0, to = 0, len;

	while (from < text.len) {
		len = text.data[from] ? character_len(text.data + from, text.len - from) : 0;
		if (to + (len ? len : 1) > QUOTE_BYTES)
			break;
		if (len)
			memcpy(quote.text + to, text.data + from, len);
		else
			quote.text[to] = '?';
		len = len ? len : 1;
		from += len;
		to += len;
	}
	quote.text[to] = '\0';
	return quote;
}
