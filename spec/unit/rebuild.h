/* rebuild.h - decodes an item and encodes it again.
 *
 * For bytes that map_check accepts the result must be the same bytes, because
 * they are canonical. Bytes that were not checked must cause no harm.
 */
#ifndef UNIT_REBUILD_H
#define UNIT_REBUILD_H

#include "codec/builder.h"

static inline void rebuild_value(struct builder *builder, const struct value *value);

static inline void rebuild_attributes(struct builder *builder, struct slice body)
{
	struct map_walk walk;
	struct slice name;
	struct value value;

	if (map_start(&walk, body))
		return;
	while (!builder_error(builder) && map_next(&walk, &name, &value) == 0) {
		builder_name(builder, name);
		rebuild_value(builder, &value);
	}
}

static inline void rebuild_members(struct builder *builder, const struct value *list)
{
	struct list_walk walk;
	struct value member;

	list_start(&walk, list);
	while (!builder_error(builder) && list_next(&walk, &member) == 0)
		rebuild_value(builder, &member);
}

static inline void rebuild_value(struct builder *builder, const struct value *value)
{
	switch (value->type) {
	case TYPE_S:
		builder_string(builder, value->bytes);
		return;
	case TYPE_M:
	case TYPE_L:
	case TYPE_SS:
	case TYPE_NS:
	case TYPE_BS:
		builder_open(builder, value->type);
		if (builder_error(builder))
			return;
		if (value->type == TYPE_M)
			rebuild_attributes(builder, value->bytes);
		else
			rebuild_members(builder, value);
		builder_close(builder);
		return;
	default:
		builder_value(builder, value);
	}
}

static inline int rebuild_item(struct builder *builder, struct slice body, struct slice *again)
{
	builder_start(builder);
	rebuild_attributes(builder, body);
	return builder_finish(builder, again);
}

#endif
