/* annotation.h - the annotation of a transaction: its depth, origin, source and context.
 *
 *     0   1   depth
 *     1   1   length of the origin, up to ORIGIN_MAX_BYTES; 0: none; plus 0x80 if there is a
 *             source
 *     2       origin: printable ASCII
 *             only with a source:
 *     1       length of the path, 1 to PATH_MAX_IDS ids
 *             path: ids of databases, 16 bytes each
 *     16      incarnation of the first database
 *     8       sequence number (u64)
 *
 *             context: a map body (codec/value.h); no bytes: none
 *
 * A transaction that was replicated from another database has a source. The path contains the
 * database in which the change was made, then those through which it came, without the present one.
 * The sequence number is that of the transaction's first record in the first database. The sequence
 * numbers of the records have the same distances there and here. It is 0 if the records are items
 * that were copied, whose changes are not known.
 *
 * The context describes who made the transaction and why. The origin is the name of the program, by
 * which a consumer can leave its own records out. The depth is the number of consumers between the
 * first change and this one, by which an endless loop of consumers is detected.
 */
#ifndef CODEC_ANNOTATION_H
#define CODEC_ANNOTATION_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

#define ORIGIN_MAX_BYTES 64
#define CONTEXT_MAX_BYTES 4096       /* maximum of item_size */
#define CONTEXT_TOO_LARGE "the context is larger than 4,096 bytes"

#define DATABASE_ID_BYTES 16
#define PATH_MAX_IDS 16
#define ANNOTATION_HAS_SOURCE 0x80

/* Where a replicated transaction was made. */
struct change_source {
	struct slice path;           /* ids of databases; empty: it was made in this one */
	const uint8_t *incarnation;  /* of the first database, DATABASE_ID_BYTES; NULL: no path */
	uint64_t sequence;           /* of its first record there; 0: unknown */
};

struct annotation {
	uint8_t depth;
	struct slice origin;         /* empty: none */
	struct slice context;        /* a map body; empty: none */
	struct change_source source;
};

/* Returns true if the annotation has no depth, origin, context or source. It is not stored then. */
static inline bool annotation_is_empty(const struct annotation *annotation)
{
	return annotation->depth == 0 && annotation->origin.len == 0 &&
		annotation->context.len == 0 && annotation->source.path.len == 0;
}

/* Returns true if a path contains a database. */
bool path_contains(struct slice path, const uint8_t database[DATABASE_ID_BYTES]);

/* Returns true if a text can be an origin: up to ORIGIN_MAX_BYTES bytes of printable ASCII, which
 * includes the blank. */
bool origin_is_valid(struct slice origin);

/* Appends the encoded annotation to out, nothing if it is empty. The origin and the context must be
 * valid. */
void annotation_put(struct buffer *out, const struct annotation *annotation);

/* Like annotation_put, but clears out before, and verifies the origin and the size of the context.
 * Returns VALIDATION, NO_MEMORY. */
int annotation_encode(struct buffer *out, const struct annotation *annotation,
	struct failure *failure);

/* Decodes an annotation. Its slices point into bytes. Returns 0 or CORRUPT. The context is not
 * verified. */
int annotation_get(struct annotation *annotation, struct slice bytes);

/* Verifies an annotation, including its context and the limit of its size. Returns 0 or
 * CORRUPT. */
int annotation_check(struct slice bytes);

#endif
