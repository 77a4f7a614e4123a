/* state.h - the rows of `meta` that belong to the whole file: the stamp, the
 * state, the weak boot. Layouts in doc/format.md; these are payloads, behind
 * the row's checksum.
 */
#ifndef CODEC_STATE_H
#define CODEC_STATE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/hash.h"

#define FILE_FORMAT 4
#define FILE_FORMAT_OLDEST 4    /* that is read */
#define FILE_MAGIC "tidetabl"
#define FILE_ID_BYTES 16
#define BOOT_BYTES 16

/* Kinds of rows in `meta`: the first byte of the key. */
#define META_FILE_HEADER 0x01
#define META_STATE 0x02
#define META_WEAK_BOOT 0x03
#define META_TABLE 0x10
#define META_DROPPED 0x11
#define META_STREAM 0x20
#define META_HORIZON 0x21

/* How far the sequence number skips when changes may have been taken back. */
#define SEQUENCE_SKIP (UINT64_C(1) << 32)
/* Lua's integers hold it, and what is counted on from it. No file holds more. */
#define SEQUENCE_MAX (UINT64_C(1) << 62)

struct file_header {
	uint16_t format;
	uint16_t oldest_reader;
	uint8_t pointer_bytes;
	uint8_t byte_order;          /* 1 little, 2 big */
	uint32_t page_bytes;
	uint8_t database_id[FILE_ID_BYTES];
	uint8_t incarnation[FILE_ID_BYTES];
	uint8_t secret[HASH_SECRET_BYTES];
	uint64_t created_ms;
	struct slice made_by;        /* lent by the bytes it was read from */
};

/* A jump of the clock that nothing has confirmed yet; all 0: none. */
struct clock_jump {
	uint64_t wall_ms;
	uint64_t elapsed_ms;
	uint8_t boot[BOOT_BYTES];
};

struct state {
	uint64_t sequence;           /* the last given, as are the next three */
	uint64_t node;
	uint32_t table;
	uint32_t stream;
	uint64_t catalog_version;
	uint64_t created_ms;         /* of the last change */
	uint64_t stepped_back;       /* sequence number; 0: never */
	uint64_t lost;               /* last record of any stream that is gone */
	uint64_t retention_ms;
	uint64_t elapsed_ms;         /* when retention_ms was set, on this */
	uint8_t boot[BOOT_BYTES];
	uint64_t lead_ms;            /* how far retention_ms was ahead of the wall clock */
	struct clock_jump jump;
};

/* What this machine would write, but for the ids, which stay zero. */
void file_header_local(struct file_header *header, uint32_t page_bytes);

void file_header_put(struct buffer *out, const struct file_header *header);

/* NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT, FOREIGN_FORMAT (against `local`), CORRUPT.
 * The first four are said even when the rest can't be understood. */
int file_header_get(struct file_header *header, struct slice bytes,
	const struct file_header *local);

void state_put(struct buffer *out, const struct state *state);
int state_get(struct state *state, struct slice bytes);

#endif
