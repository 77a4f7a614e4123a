/* json_reader.h - parses an item from JSON into its encoding.
 *
 * json_writer.h describes the two forms. The text is parsed in one pass that feeds a builder and
 * gives up at the first defect. Then the defect is found with up to two further passes: json_check
 * if the text is not JSON, otherwise a second pass of this parser that keeps the path of the value.
 * So a text that is not JSON is always refused as that, wherever its other defects are.
 *
 * The limits of an item (400 KB, 32 levels, length of names) are checked; those of a table's key
 * are not.
 */
#ifndef CODEC_JSON_READER_H
#define CODEC_JSON_READER_H

#include "codec/builder.h"
#include "codec/json_text.h"
#include "codec/json_writer.h"

enum json_defect {
	JSON_MALFORMED,      /* not JSON; the fault has a position only */
	JSON_MISFIT,         /* JSON of another shape than an item: SerializationException */
	JSON_INVALID,        /* a value that cannot be stored: ValidationException */
};

/* A zeroed reader is valid. It can be used for any number of items and keeps its memory. */
struct json_reader {
	struct builder builder;
	struct buffer scratch;       /* a string with escapes, or decoded base64 */
	enum json_form form;
	const uint8_t *start, *end;  /* the text */
	bool is_exact;               /* this pass describes the defect */
	enum json_defect defect;
	struct json_fault fault;     /* position and reason of the defect */
	struct buffer path;          /* its path: tags[2].name; empty if it is the whole item */
	unsigned depth;              /* number of steps in use */
	struct json_step {
		const uint8_t *name; /* position of the attribute's name; NULL for an index */
		size_t index;        /* from 1 */
	} steps[VALUE_MAX_DEPTH + 3];
};

/* Parses the item at offset `at` of a text. If `end` is NULL, only whitespace may follow; otherwise
 * sets *end to the offset of the next byte that is not whitespace. The item is valid until the
 * reader is used again. Returns 0, VALIDATION with defect, fault and path, or NO_MEMORY. */
int json_read_item(struct json_reader *reader, struct slice text, size_t at, size_t *end,
	enum json_form form, struct slice *item);

void json_reader_release(struct json_reader *reader);

#endif
