/* annotation.h - the annotation of a transaction: its depth, origin and context.
 *
 *     0   1   depth
 *     1   1   length of the origin, up to ORIGIN_MAX_BYTES; 0: none
 *     2       origin: printable ASCII
 *             context: a map body (codec/value.h); no bytes: none
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

struct annotation {
	uint8_t depth;
	struct slice origin;         /* empty: none */
	struct slice context;        /* a map body; empty: none */
};

/* Returns true if the annotation has no depth, origin or context. It is not stored then. */
static inline bool annotation_is_empty(const struct annotation *annotation)
{
	return annotation->depth == 0 && annotation->origin.len == 0 &&
		annotation->context.len == 0;
}

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
