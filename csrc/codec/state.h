/* state.h - rows of `meta` that describe the whole file: file header and state.
 *
 * The functions encode and decode the payloads of these rows (codec/row.h). doc/format.md
 * describes the layouts.
 */
#ifndef CODEC_STATE_H
#define CODEC_STATE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/hash.h"

#define FILE_FORMAT 10
#define FILE_FORMAT_OLDEST 10    /* oldest format that can be read */
#define FILE_MAGIC "tidetabl"
#define FILE_ID_BYTES 16
#define BOOT_BYTES 16

/* First byte of the key of a row in `meta`. */
#define META_FILE_HEADER 0x01
#define META_STATE 0x02
#define META_WEAK_BOOT 0x03
#define META_MAX_SIZE 0x04
#define META_ITEM_COUNT 0x13

/* Distance that the sequence number skips forward if commits may have been lost. */
#define SEQUENCE_SKIP (UINT64_C(1) << 32)
/* Maximum sequence number in a file. A Lua integer can contain it and the sum of two such
 * numbers. */
#define SEQUENCE_MAX (UINT64_C(1) << 62)

struct file_header {
	uint16_t format;
	uint16_t oldest_reader;
	uint8_t pointer_bytes;
	uint8_t byte_order;          /* 1 little-endian, 2 big-endian */
	uint32_t page_bytes;
	uint8_t database_id[FILE_ID_BYTES];
	uint8_t incarnation[FILE_ID_BYTES];
	uint8_t secret[HASH_SECRET_BYTES];
	uint64_t created_ms;
	struct slice made_by;        /* borrowed from the decoded bytes */
};

/* A jump of the wall clock that is not confirmed yet. All fields are 0 if there is none. */
struct clock_jump {
	uint64_t wall_ms;
	uint64_t elapsed_ms;
	uint8_t boot[BOOT_BYTES];
};

/* The streams that got records last, in ascending order of their last record. */
#define STATE_TOUCHED 32

struct touched_stream {
	uint64_t sequence;           /* of its last record */
	uint32_t stream;
};

struct state {
	uint64_t sequence;           /* last sequence number assigned */
	uint64_t node;               /* last node id assigned */
	uint32_t table;              /* last table id assigned */
	uint32_t stream;             /* last stream id assigned */
	uint32_t index;              /* last index id assigned */
	uint32_t tables;             /* number of tables, without deleted ones */
	uint32_t streams;            /* number of streams, with disabled ones */
	uint64_t catalog_version;
	uint64_t created_ms;         /* creation time of the last change */
	uint64_t stepped_back;       /* sequence number; 0 if never */
	uint64_t lost;               /* newest record of any deleted stream */
	uint64_t retention_ms;       /* retention clock at the last commit */
	uint64_t elapsed_ms;         /* monotonic clock at the last commit */
	uint8_t boot[BOOT_BYTES];    /* boot of that monotonic clock */
	uint64_t lead_ms;            /* lead of retention_ms over the wall clock */
	struct clock_jump jump;
	uint64_t expiry_ms;          /* expiry clock at the last commit */
	struct clock_jump expiry_jump;
	uint64_t touched_after;      /* streams with a record after this one are in `touched` */
	uint8_t touched_count;
	struct touched_stream touched[STATE_TOUCHED];
};

/* Sets the fields of a file header to the values of this machine. The ids are zero. */
void file_header_local(struct file_header *header, uint32_t page_bytes);

void file_header_put(struct buffer *out, const struct file_header *header);

/* Decodes a file header. Errors: NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT, FOREIGN_FORMAT
 * (if it differs from `local`), CORRUPT. The first four are detected even if later fields
 * cannot be decoded. */
int file_header_get(struct file_header *header, struct slice bytes,
	const struct file_header *local);

/* An incarnation that has ended: the sequence number of its last change (u64), its id. */
#define INCARNATION_BYTES (8 + FILE_ID_BYTES)

/* Returns the incarnation, FILE_ID_BYTES long, in which the change with this sequence number was
 * made. identity: the database id, the incarnation of the file, and those that have ended, in
 * ascending order. Returns NULL if it has another length. */
const uint8_t *incarnation_of(struct slice identity, uint64_t sequence);

/* Notes that a stream got its last record. */
void state_touch(struct state *state, uint32_t stream, uint64_t sequence);

void state_put(struct buffer *out, const struct state *state);
int state_get(struct state *state, struct slice bytes);

#endif
