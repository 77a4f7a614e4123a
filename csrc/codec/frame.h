/* frame.h - the frames that a source sends to a replica.
 *
 *     u32   length of what follows the checksum
 *     u32   checksum (CRC-32C) of what follows
 *     u64   number: the position in the source after this frame
 *     u8    kind (enum frame_kind)
 *           body
 *
 * The frames are the same in a pipe and between two databases of a process. Bodies:
 *
 *     SOURCE        u8 version (FRAME_VERSION), 16 bytes database id, 16 incarnation, u64 last
 *                   sequence number, names of the tables to replicate (counted; empty: all; each
 *                   counted), u16 number of promoted replicas in the source; for each 16 bytes id
 *                   of its source, 16 incarnation, u64 position
 *     TABLES        u8 1 if the copy begins from scratch, u32 number of tables; for each a table
 *     TRANSACTION   u64 position before it, u64 id, u64 time in ms, 16 bytes incarnation in which
 *                   it was made, annotation (counted), u32 number of records; for each a record
 *     TABLE         u64 position before it, u8 what to do (enum table_action), table
 *     PAGE          u32 table id, u8 flags (enum page_flag), key after which it begins (counted),
 *                   key of its last item (counted), u32 number of items; each item counted
 *     ADVANCE       u64 position before it, u64 sequence number of the last record that was read,
 *                   u32 its stream, u64 its fingerprint
 *     END           nothing
 *
 *     table         u32 id, u32 stream id (0: none), u8 length of the path, path, 16 bytes
 *                   incarnation, name (counted), why it can't be followed (counted; empty: it
 *                   can), row of the table (counted), row of its stream (counted; empty: none)
 *     record        u32 table id, u8 event, u8 1 if caused by time to live, varint distance of its
 *                   sequence number from the transaction's id, new image or keys (counted)
 *
 * Keys of items are those of the source, without table id.
 */
#ifndef CODEC_FRAME_H
#define CODEC_FRAME_H

#include "codec/replica.h"
#include "codec/schema.h"

#define FRAME_VERSION 1
#define FRAME_HEAD 8                 /* length and checksum */
#define FRAME_FIXED 9                /* number and kind */
#define FRAME_MAX_BYTES (UINT32_C(256) << 20)

enum frame_kind {
	FRAME_SOURCE = 'S', FRAME_TABLES = 'D', FRAME_TRANSACTION = 'T', FRAME_TABLE = 'C',
	FRAME_PAGE = 'P', FRAME_ADVANCE = 'A', FRAME_END = 'E',
};

enum table_action { ACTION_CREATE = 1, ACTION_ALTER, ACTION_STOP, ACTION_COPY, ACTION_DELETE };

/* The items with short partition keys precede those with hashed ones, and a page has items of one
 * kind. */
enum page_flag { PAGE_ENDS_SHORT = 1, PAGE_IS_LAST = 2, PAGE_IS_HASHED = 4 };

struct frame {
	uint64_t number;
	uint8_t kind;
	struct slice body;
};

struct frame_table {
	uint32_t id;
	uint32_t stream;
	struct slice path;
	const uint8_t *incarnation;
	struct slice name;
	struct slice reason;
	struct slice row;
	struct slice stream_row;
};

struct frame_record {
	uint32_t table;
	uint8_t event;
	bool is_expiry;
	uint64_t distance;
	struct slice body;
};

/* Starts a frame at the end of out and returns its offset; frame_end completes it. */
size_t frame_start(struct buffer *out, uint8_t kind);
void frame_end(struct buffer *out, size_t start, uint64_t number);

void frame_put_table(struct buffer *out, const struct frame_table *table);
void frame_get_table(struct source *source, struct frame_table *table);
void frame_put_record(struct buffer *out, const struct frame_record *record);
void frame_get_record(struct source *source, struct frame_record *record);

/* Takes the next frame from *bytes. Returns END if they contain no complete frame, CORRUPT if the
 * checksum is wrong or the length impossible. */
int frame_next(struct frame *frame, struct slice *bytes);

#endif
