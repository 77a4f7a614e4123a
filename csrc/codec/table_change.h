/* table_change.h - the content of a record of the change of a table.
 *
 *     u8     event: 1 CREATE_TABLE, 2 ALTER_TABLE, 3 DELETE_TABLE, 4 TRUNCATE_TABLE
 *     u32    table id
 *     text   table name
 *     u16    length of the definition
 *            definition: of the table after the change; DELETE_TABLE: before it
 *            only ALTER_TABLE: the definition before the change
 *
 *     definition
 *     u64    created at
 *            key schema (codec/schema.h)
 *     text   time-to-live attribute; empty: none
 *     u32    id of the enabled stream; 0: none, and nothing follows
 *     u8     view type
 *     u64    created at
 *     5 u64  retention (codec/schema.h)
 *     text   label
 *
 * Equal definitions have equal bytes.
 */
#ifndef CODEC_TABLE_CHANGE_H
#define CODEC_TABLE_CHANGE_H

#include "codec/schema.h"

enum table_event { TABLE_CREATED = 1, TABLE_ALTERED, TABLE_DELETED, TABLE_TRUNCATED };

struct table_change {
	uint8_t event;               /* enum table_event */
	uint32_t table;
	struct slice name;
	struct slice definition;
	struct slice old_definition; /* only TABLE_ALTERED; otherwise empty */
};

struct table_definition {
	uint64_t created_ms;
	struct key_schema schema;
	struct slice ttl;            /* empty: no time to live */
	uint32_t stream;             /* 0: no stream is enabled, and the rest is 0 */
	uint8_t view;
	uint64_t stream_created_ms;
	struct retention retention;
	struct slice label;
};

/* Returns the name of an event, such as CREATE_TABLE; NULL if there is none. */
const char *table_event_name(uint8_t event);

/* Appends the definition of a table. stream: the row of its enabled stream; NULL: it has none. */
void table_definition_put(struct buffer *out, const struct table_row *table,
	const struct stream_row *stream);

/* Appends a change. Each definition has at most 64 KiB. */
void table_change_put(struct buffer *out, const struct table_change *change);

/* Decode a change or a definition, whose slices point into bytes. Return 0, or CORRUPT if the bytes
 * do not have the format above. A change is decoded without its definitions. */
int table_change_get(struct table_change *change, struct slice bytes);
int table_definition_get(struct table_definition *definition, struct slice bytes);

/* Verifies a change, including its definitions. Returns 0 or CORRUPT. */
int table_change_check(struct slice bytes);

#endif
