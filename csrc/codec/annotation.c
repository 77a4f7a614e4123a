/* annotation.c - encoding and decoding of annotations; the layout is in annotation.h. */
#include "codec/annotation.h"

#include <string.h>

#include "codec/value.h"

bool origin_is_valid(struct slice origin)
{
	for (size_t i = 0; i < origin.len; i++)
		if (origin.data[i] < ' ' || origin.data[i] > '~')
			return false;
	return origin.len <= ORIGIN_MAX_BYTES;
}

bool path_contains(struct slice path, const uint8_t database[DATABASE_ID_BYTES])
{
	for (size_t at = 0; at + DATABASE_ID_BYTES <= path.len; at += DATABASE_ID_BYTES)
		if (memcmp(path.data + at, database, DATABASE_ID_BYTES) == 0)
			return true;
	return false;
}

static void put_change_source(struct buffer *out, const struct change_source *source)
{
	buffer_put_u8(out, (uint8_t)(source->path.len / DATABASE_ID_BYTES));
	buffer_put_slice(out, source->path);
	buffer_put(out, source->incarnation, DATABASE_ID_BYTES);
	buffer_put_u64(out, source->sequence);
}

static void get_change_source(struct source *source, struct change_source *from)
{
	uint8_t ids = source_u8(source);

	if (ids == 0 || ids > PATH_MAX_IDS)
		source->err = ERR_CORRUPT;
	from->path = source_take(source, (uint64_t)ids * DATABASE_ID_BYTES);
	from->incarnation = source_take(source, DATABASE_ID_BYTES).data;
	from->sequence = source_u64(source);
}

void annotation_put(struct buffer *out, const struct annotation *annotation)
{
	if (annotation_is_empty(annotation))
		return;
	buffer_put_u8(out, annotation->depth);
	buffer_put_u8(out, (uint8_t)(annotation->origin.len |
		(annotation->source.path.len ? ANNOTATION_HAS_SOURCE : 0)));
	buffer_put_slice(out, annotation->origin);
	if (annotation->source.path.len)
		put_change_source(out, &annotation->source);
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
	uint8_t len;

	annotation->source = (struct change_source){ 0 };
	annotation->depth = source_u8(&source);
	len = source_u8(&source);
	annotation->origin = source_take(&source, len & (ANNOTATION_HAS_SOURCE - 1));
	if (len & ANNOTATION_HAS_SOURCE)
		get_change_source(&source, &annotation->source);
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
