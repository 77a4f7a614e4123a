/* sender.h - struct tide_sender and the functions that the files sender*.c share. */
#ifndef API_SENDER_H
#define API_SENDER_H

#include "api/database.h"
#include "codec/replica_start.h"
#include "codec/table_change.h"
#include "tide_replica.h"

/* A page of items ends after this many bytes or items. */
#define SENT_PAGE_BYTES ((size_t)256 << 10)
#define SENT_PAGE_ITEMS 1000

/* A table of the source that is replicated, or could be. */
struct sent_table {
	uint32_t id;
	uint32_t stream;             /* 0: none */
	uint8_t state;               /* enum replica_state */
	uint16_t name_len;
	char name[TABLE_NAME_MAX + 1];
};

struct tide_sender {
	struct feed feed;
	bool has_feed;
	bool is_greeted;             /* the SOURCE frame was sent */
	bool begins;                 /* the TABLES frame must be sent */
	bool restarts;               /* it begins another copy of a replica that exists */
	uint64_t position;           /* after the sent frames */
	uint64_t record;             /* last record that was read; 0: none */
	uint32_t record_stream;
	uint64_t fingerprint;
	uint64_t sent_record;        /* record of the last ADVANCE frame */
	struct buffer names;         /* of the tables to replicate, each counted; empty: all */
	struct sent_table *tables;   /* ascending by id */
	size_t count, cap;
	size_t copying;              /* index of the table whose page was read or sent last */
	uint16_t place_len;          /* key of its last item that was sent, without table id */
	uint8_t place[KEY_HEAD_MAX + SORT_KEY_MAX];
	struct buffer page;          /* body of a PAGE frame that was not sent yet; empty: none */
	uint64_t page_at;            /* last sequence number of its snapshot */
	uint8_t page_flags;
	uint16_t page_end_len;
	uint8_t page_end[KEY_HEAD_MAX + SORT_KEY_MAX];
	uint32_t seen;               /* commit_count before the last read */
	uint64_t read_ms;            /* clock_elapsed_ms at the last read */
	struct buffer scratch, path, row, stream_row;
};

/* A call that sends. */
struct sending {
	struct tide_sender *sender;
	struct tide *tide;
	struct view_of_streams view;
	struct buffer *out;
	struct failure *failure;
	bool has_changes;
};

/* --- sender.c --- */

/* Ends the feed; the next read begins another one at the position. */
void sender_restart_feed(struct tide_sender *sender);

/* --- sender_table.c --- */

/* Returns the table with this id, NULL if there is none. */
struct sent_table *sender_table(const struct tide_sender *sender, uint32_t id);

/* Adds or replaces a table. Returns NO_MEMORY. */
int sender_add_table(struct tide_sender *sender, const struct start_table *table);

/* Sends the definitions of all tables in the snapshot: their copies begin. */
int sender_put_tables(struct sending *sending);

/* Sends a change of a table, unless the table is not replicated. */
int sender_put_change(struct sending *sending, const struct record *record);

/* --- sender_page.c --- */

/* Reads the next page of the table that is copied, if there is one and none is waiting. */
int sender_read_page(struct sending *sending);

/* Sends the page that is waiting, if all records up to its snapshot were sent. */
int sender_put_page(struct sending *sending);

/* Sets *passed to true if a record of a table that is being copied belongs to an item that was
 * copied. */
int sender_has_passed(const struct sending *sending, const struct stream_row *row,
	const struct record *record, bool *passed);

#endif
