/* json_text.h - tokens of JSON texts (RFC 8259), and the check that finds the defect of a text.
 *
 * The token functions are the fast path. They return the address after the token, or NULL without a
 * reason. json_check parses the text again and describes the first defect, so that parsing a valid
 * text does not pay for messages.
 *
 * Besides text that is not JSON, these are defects: a duplicate name in an object, invalid UTF-8,
 * an unpaired surrogate, a number with more than 38 digits or out of range, and too many levels.
 * The time is n log n in the number of names, which are sorted to find duplicates, and linear in
 * all else. Neither the locale nor the C library's conversions are used.
 */
#ifndef CODEC_JSON_TEXT_H
#define CODEC_JSON_TEXT_H

#include <stdbool.h>

#include "base/buffer.h"
#include "codec/number.h"

/* Maximum number of nested levels. An item has at most 32; in typed JSON each of them is inside an
 * object that names its type, and a request contains the item. */
#define JSON_DEPTH_MAX 100
#define JSON_TEXT_MAX INT32_MAX      /* maximum length of a text in bytes */

/* Description of a text that is refused. A zeroed fault is valid. */
struct json_fault {
	size_t at;               /* offset of the defect in the text */
	struct buffer reason;
};

static inline const uint8_t *json_skip_space(const uint8_t *at, const uint8_t *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* Reads the string at `at`. *string is a part of the text, or the content of `scratch` if the
 * string has escapes. The bytes need not be UTF-8. */
const uint8_t *json_string(const uint8_t *at, const uint8_t *end, struct buffer *scratch,
	struct slice *string);

/* Reads the number at `at`. */
const uint8_t *json_number(const uint8_t *at, const uint8_t *end, struct number *number);

/* Parses a decimal text, as number_parse does; faster for integers. */
int json_parse_number(struct number *number, struct slice text);

/* Returns the address after the value at `at`, NULL if the text ends before. Follows only brackets
 * and strings, so the value may be malformed. */
const uint8_t *json_value_end(const uint8_t *at, const uint8_t *end);

/* Checks the value at `at` of a text. If `end` is NULL, only whitespace may follow it; otherwise
 * sets *end to the offset of the next byte that is not whitespace. Returns 0, VALIDATION with a
 * fault, or NO_MEMORY. */
int json_check(struct slice text, size_t at, size_t *end, struct json_fault *fault);

/* Sets *line and *column of a byte, from 1; the column is counted in characters. */
void json_place(struct slice text, size_t at, uint64_t *line, uint64_t *column);

/* Appends a name in double quotes; control characters are written as \ and their decimal code. */
void json_put_quoted(struct buffer *out, struct slice name);

static inline void json_put_text(struct buffer *out, const char *text)
{
	buffer_put(out, text, strlen(text));
}

#endif
