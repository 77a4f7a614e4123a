/* annotation.c - encoding and decoding of annotations; the layout is in annotation.h. */
#include "codec/annotation.h"

#include "codec/value.h"

bool origin_is_valid(struct slice origin)
{
	for (size_t i = 0; i < origin.len; i++)
		if (origin.data[i] < ' ' || origin.data[i] > '~')
			return false;
	return origin.len <= ORIGIN_MAX_BYTES;
}

void annotation_put(struct buffer *out, const struct annotation *annotation)
{
	if (annotation_is_empty(annotation))
		return;
	buffer_put_u8(out, annotation->depth);
	buffer_put_u8(out, (uint8_t)annotation->origin.len);
	buffer_put_slice(out, annotation->origin);
	buffer_put_slice(out, annotation->context);
}

int annotation_encode(struct buffer *out, const struct annotation *annotation,
	struct failure *failure)
{
	struct slice context = annotation->context;

	if (!origin_is_valid(annotation->origin))
		return fail_as(failure, ERR_VALIDATION,
			"origin: expected at most %d bytes of printable ASCII", ORIGIN_MAX_BYTES);
	if (context.len && item_size(context) > CONTEXT_MAX_BYTES)
		return fail_as(failure, ERR_VALIDATION, CONTEXT_TOO_LARGE);
	buffer_clear(out);
	annotation_put(out, annotation);
	return buffer_error(out) ? fail(failure, ERR_NO_MEMORY) : 0;
}

int annotation_get(struct annotation *annotation, struct slice bytes)
{
	struct source source = source_of(bytes);

	annotation->depth = source_u8(&source);
	annotation->origin = source_take(&source, source_u8(&source));
	annotation->context = source_take(&source, source_left(&source));
	if (source_finish(&source) || annotation_is_empty(annotation) ||
			!origin_is_valid(annotation->origin))
		return ERR_CORRUPT;
	return 0;
}

int annotation_check(struct slice bytes)
{
	struct annotation annotation;
	int err = annotation_get(&annotation, bytes);

	if (err || annotation.context.len == 0)
		return err;
	err = map_check(annotation.context);
	return err || item_size(annotation.context) <= CONTEXT_MAX_BYTES ? err : ERR_CORRUPT;
}
