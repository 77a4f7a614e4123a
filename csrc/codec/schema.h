/* schema.h - rows of `catalog` that describe tables, streams and trim horizons.
 *
 * The functions encode and decode the payloads of these rows (codec/row.h). doc/format.md
 * describes the layouts.
 */
#ifndef CODEC_SCHEMA_H
#define CODEC_SCHEMA_H

#include <stdint.h>

#include "base/buffer.h"
#include "codec/key.h"

/* First byte of the key of a row in `catalog`. */
#define CATALOG_TABLE 0x10
#define CATALOG_DROPPED 0x11
#define CATALOG_INDEX 0x12
#define CATALOG_EXPIRY 0x13
#define CATALOG_INCARNATION 0x14
#define CATALOG_STREAM 0x20
#define CATALOG_HORIZON 0x21
#define CATALOG_LABEL 0x22

/* Id of the stream of the changes of tables, which every file has. Its records are not changes of
 * items (codec/record.h). It is the lowest id, so that records of other streams are appended at the
 * end of the log. */
#define STREAM_OF_TABLES 1

#define TABLE_NAME_MIN 3
#define TABLE_NAME_MAX 255
#define LABEL_MAX 32

/* View 0: the stream of the changes of tables. */
enum view { VIEW_KEYS_ONLY = 1, VIEW_NEW_IMAGE, VIEW_OLD_IMAGE, VIEW_NEW_AND_OLD_IMAGES };
enum stream_status { STREAM_ENABLED = 1, STREAM_DISABLED };

/* Retention of a stream: a record expires when one of the limits is exceeded. */
struct retention {
	uint64_t age_ms;             /* at least 1 */
	uint64_t max_bytes;          /* 0 if unlimited; counted as in codec/record.h */
	uint64_t max_count;          /* 0 if unlimited */
	uint64_t hold_age_ms;        /* age at which a record that a consumer holds expires */
	uint64_t hold_bytes;         /* bytes from it to the end of the stream at which it does */
};

/* Caps of holds, unless others are given. */
#define HOLD_AGE_MS (UINT64_C(7) * 24 * 3600 * 1000)
#define HOLD_BYTES (UINT64_C(1) << 30)

/* Time to live of a table: items expire at the time that one attribute gives. */
struct time_to_live {
	uint32_t index;              /* id of the expiry index; 0: time to live is off */
	uint8_t len;
	char name[256];              /* of the attribute: UTF-8, 1 to 255 bytes, then NUL */
};

static inline struct slice time_to_live_name(const struct time_to_live *ttl)
{
	return (struct slice){ (const uint8_t *)ttl->name, ttl->len };
}

struct table_row {
	uint32_t id;
	uint64_t created_ms;
	uint32_t stream;             /* id of the enabled stream; 0 if none */
	uint32_t newest_stream;      /* id of the newest stream, enabled or not; 0 if none */
	struct time_to_live ttl;
	uint64_t replica;            /* id of the replica that it belongs to; 0: none, so that it
	                              * can be written to */
	struct key_schema schema;
	char name[TABLE_NAME_MAX + 1];       /* from the row's key */
};

struct stream_row {
	uint32_t id;                 /* from the row's key */
	uint32_t table;              /* 0: the stream of the changes of tables */
	uint8_t view;
	uint8_t status;
	uint64_t created_ms;
	uint64_t disabled_ms;
	struct retention retention;
	uint64_t first_sequence;     /* less than the sequence numbers of all its records */
	char label[LABEL_MAX + 1];   /* "2026-01-31T12:00:00.000" */
	char table_name[TABLE_NAME_MAX + 1];
	struct key_schema schema;
};

/* An index that is being built or removed. */
enum index_work { INDEX_BUILDS = 1, INDEX_REMOVES };
struct index_row {
	uint32_t id;                 /* from the row's key */
	uint8_t work;                /* enum index_work */
	uint32_t table;
	struct slice done;           /* key of the last item that has been indexed; len 0: none */
};

/* Trim horizon of a stream: the records that were removed or have expired. */
struct horizon {
	uint64_t removed;            /* sequence number of the newest removed record */
	uint64_t ordinal;            /* ordinal of that record */
	uint64_t stream_bytes;       /* stream bytes of that record */
	uint64_t hidden;             /* sequence number of the newest expired record, >= removed */
};

void table_put(struct buffer *out, const struct table_row *table);
void stream_put(struct buffer *out, const struct stream_row *stream);
void index_put(struct buffer *out, const struct index_row *index);
void horizon_put(struct buffer *out, const struct horizon *horizon);

/* Parts of rows. The functions that decode one set the error of the source to CORRUPT. */
void key_schema_put(struct buffer *out, const struct key_schema *schema);
void retention_put(struct buffer *out, const struct retention *retention);
void key_schema_get(struct source *source, struct key_schema *schema);
void retention_get(struct source *source, struct retention *retention);

/* These functions decode a payload and return 0 or CORRUPT. Fields that are stored in the row's
 * key (name, id) are unchanged. */
int table_get(struct table_row *table, struct slice bytes);
int stream_get(struct stream_row *stream, struct slice bytes);
int index_get(struct index_row *index, struct slice bytes);     /* index->done borrows */
int horizon_get(struct horizon *horizon, struct slice bytes);

/* Returns true for a name that DynamoDB allows: 3 to 255 of a-z A-Z 0-9 _ . - */
bool is_table_name(struct slice name);

/* Returns true for a label: 1 to LABEL_MAX bytes of printable ASCII, no blank. */
bool is_stream_label(struct slice label);

/* Returns DynamoDB's name of a view, such as KEYS_ONLY; NULL if there is none. */
const char *view_name(uint8_t view);

static inline bool view_has_old(uint8_t view)
{
	return view == VIEW_OLD_IMAGE || view == VIEW_NEW_AND_OLD_IMAGES;
}

static inline bool view_has_new(uint8_t view)
{
	return view == VIEW_NEW_IMAGE || view == VIEW_NEW_AND_OLD_IMAGES;
}

#endif
