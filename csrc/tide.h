/* tide.h - the interface of the C core: databases, tables, items, streams, checks and copies.
 *
 * A struct tide is a handle on an open database. One thread uses it at a time.
 * Handles on the same file share one LMDB environment; catalogs, readers and
 * transactions belong to their handle.
 *
 * Results: functions that return int return 0 on success, or a negative enum
 * error with *failure filled (failure may be NULL). Functions that say so also
 * return END, which is positive: no data, no error. Every function can return
 * NO_MEMORY, STORE (a system call or LMDB failed) and CORRUPT (stored bytes do
 * not decode); comments list the other errors.
 *
 * Blocking: no function calls back or waits for another process, except those
 * named *_wait and *_sleep and the *_finish of a thread or child process. No
 * function holds a snapshot after it has returned, except tide_snapshot_open,
 * tide_query_pin, tide_checkup_start and tide_backup_start.
 *
 * Memory: a slice or pointer that is lent is valid until the next call with the
 * same handle, unless the comment says otherwise. Buffers belong to the caller,
 * who releases them. Every *_close and *_finish frees its object and accepts NULL.
 */
#ifndef TIDE_H
#define TIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "check/report.h"
#include "codec/record.h"
#include "codec/schema.h"
#include "expr/kind.h"
#include "lmdb/durability.h"
#include "os/wakeup_kind.h"

#define TIDE_VERSION "0.1.0"

struct tide;
struct clock;

/* --- opening --- */

struct tide_options {
	const char *path;            /* not used when in_memory */
	bool in_memory;
	bool read_only;
	bool create;                 /* creates the file if it does not exist */
	bool alone;                  /* exclusive: fails with BUSY if another handle is
	                              * open, and keeps others from opening until close */
	enum durability durability;
	uint64_t max_bytes;          /* maximum size of the file, which opening for writing
	                              * records in the file; 0: the recorded one, or 64 GiB */
	struct clock *clock;         /* NULL: the process's clock; must outlive the handle */
};

/* Opens a database and sets *tide to the handle, or to NULL on failure. Makes one attempt
 * and never waits. Errors:
 *
 *     NO_FILE          the file does not exist and options->create is false
 *     NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT, FOREIGN_FORMAT     what the file is
 *     PERMISSION
 *     VALIDATION       the path, or max_bytes above 64 TiB
 *     OPTIONS          this process has the file open with other options
 *     NAMESPACE        the file is in use from another pid namespace
 *     READERS_FULL, FULL, DISK_FULL
 *     BUSY             options->alone can't be granted; or, with failure->transient set,
 *                      another process is opening or compacting the database: the
 *                      caller should sleep and retry
 */
int tide_open(struct tide **tide, const struct tide_options *options, struct failure *failure);

/* Updates the boot id that the file has at durability levels below full, and its maximum size, if
 * tide_open could not because another process held the write lock. Returns BUSY while a process
 * still holds it. Call it after tide_open; tide_begin also calls it. With this boot id no sequence
 * number is used again after a power cut. */
int tide_mark_opening(struct tide *tide, struct failure *failure);

/* Aborts an open transaction and closes the handle. Accepts NULL. */
void tide_close(struct tide *tide);

/* Must be called before each use of the handle. Returns FORKED in a child process that
 * inherited the handle, which may then only be closed. Releases this process's snapshots of
 * the same file whose time limit has passed, whichever handle they were taken from. */
int tide_ready(const struct tide *tide, struct failure *failure);

struct tide_info {
	const char *path;            /* resolved; "" if in memory */
	bool read_only;
	enum durability durability;
	uint8_t database_id[16];
	uint8_t incarnation[16];
	uint64_t sequence;           /* of the last committed change; 0: none */
	uint64_t file_bytes;         /* up to the last page ever used */
	uint64_t free_bytes;         /* of them in free pages */
	uint64_t page_bytes;
	uint64_t max_bytes;          /* size at which writes fail with FULL */
	uint64_t max_size;           /* size asked for or recorded; more than max_bytes if the
	                              * address space is smaller */
	uint32_t readers;            /* reader slots in use, by all processes */
	uint32_t readers_max;        /* all reader slots */
	uint64_t oldest_reader_lag;  /* commits since the oldest snapshot in use */
	int64_t oldest_reader_pid;   /* process that holds it; 0: none */
	int64_t retention_lead_ms;   /* retention clock minus wall clock; negative while a
	                              * jump of the wall clock is unconfirmed */
	const char *engine;          /* see tide_engine */
};

/* Returns the wall clock of the database, in ms since 1970. */
uint64_t tide_now_ms(const struct tide *tide);

/* Fills *info, whose strings are valid until tide_close. */
int tide_info(struct tide *tide, struct tide_info *info, struct failure *failure);

/* Flushes commits that were made at a durability level below full. Returns DISK_FULL. */
int tide_sync(struct tide *tide, struct failure *failure);

/* Removes the reader slots of dead processes, including a dead process that had the pid of this
 * one. Sets *cleared to their number. Returns BUSY if a stopped process holds the slot lock. */
int tide_clear_readers(struct tide *tide, uint32_t *cleared, struct failure *failure);

/* Returns the name and version of the storage library: "LMDB 0.9.24: ...". Static. */
const char *tide_engine(void);

/* --- tables --- */

struct table;

/* A table, identified by its name, with what the handle's catalog has found for it as a cache.
 * It remains valid when the table is deleted and created again. */
struct tide_table {
	uint16_t len;                /* of the name */
	uint64_t generation;         /* that of the catalog for which `found` is valid */
	const struct table *found;   /* NULL: none */
	char name[TABLE_NAME_MAX + 1];
};

/* Initializes *table with a copy of the name. Does not look for the table. Returns VALIDATION
 * if the name is not a valid table name. */
int tide_table_named(struct tide_table *table, struct slice name, struct failure *failure);

struct tide_table_spec {
	struct slice name;
	struct key_schema schema;
	uint8_t view;                /* enum view; 0: no stream */
	struct slice ttl;            /* time-to-live attribute; len 0: none */
	struct retention retention;
};

/* Create, change and delete tables and streams, each in a transaction of its own. Return BUSY,
 * NESTED (in a transaction), READ_ONLY, FULL, DISK_FULL, UNKNOWN_OUTCOME and the errors of
 * table/define.h. tide_enable_stream starts a new stream of the table; tide_disable_stream
 * leaves its records readable until they expire. tide_set_ttl with an empty attribute disables
 * time to live. */
int tide_create_table(struct tide *tide, const struct tide_table_spec *spec,
	struct failure *failure);
int tide_delete_table(struct tide *tide, struct slice name, struct failure *failure);
int tide_enable_stream(struct tide *tide, struct slice name, uint8_t view,
	const struct retention *retention, struct failure *failure);
int tide_disable_stream(struct tide *tide, struct slice name, struct failure *failure);
int tide_set_ttl(struct tide *tide, struct slice name, struct slice attribute,
	struct failure *failure);
int tide_set_retention(struct tide *tide, uint32_t stream, const struct retention *retention,
	struct failure *failure);

/* Sets *row to the table's row in the catalog, which is lent. Returns NOT_FOUND. */
int tide_describe_table(struct tide *tide, struct tide_table *table,
	const struct table_row **row, struct failure *failure);

/* Sets *items to the number of items that tide_note_item_count stored last, and *counted_ms to the
 * time of that call, 0 if there was none. Returns NOT_FOUND. */
int tide_item_count(struct tide *tide, struct tide_table *table, uint64_t *items,
	uint64_t *counted_ms, struct failure *failure);

/* Stores the number of items of the table with this name and id, and the present time. Returns
 * NOT_FOUND if it is another table. */
int tide_note_item_count(struct tide *tide, struct tide_table *table, uint32_t id, uint64_t items,
	struct failure *failure);

/* Replaces the contents of names with the names of all tables (each a varint length and the
 * bytes), in byte order. */
int tide_table_names(struct tide *tide, struct buffer *names, struct failure *failure);

/* Replaces the contents of ids with the ids of the streams of tables (each a u32), ascending. */
int tide_stream_ids(struct tide *tide, struct buffer *ids, struct failure *failure);

/* --- expressions --- */

/* The expressions and parameters of one request (doc/expressions.md), for one call at a time.
 * Open, then for each request: clear, add the parameters, parse the texts, bind. It belongs to
 * the handle, and is closed before it. */
struct tide_expressions;

int tide_expressions_open(struct tide_expressions **expressions, struct tide *tide,
	struct failure *failure);
void tide_expressions_close(struct tide_expressions *expressions);  /* NULL is fine */

/* Returns the bytes of memory that it holds, without those of parsed texts. */
size_t tide_expressions_bytes(const struct tide_expressions *expressions);

/* Forgets texts and parameters; the memory is kept. */
void tide_expressions_clear(struct tide_expressions *expressions);

/* Says that names or values were given, even without entries. */
void tide_expressions_give(struct tide_expressions *expressions, bool names, bool values);

/* Add a name ("#n"), a value (":v"), or the value of the next `?`: copied. Return 0 or
 * NO_MEMORY. */
int tide_expressions_add_name(struct tide_expressions *expressions, struct slice placeholder,
	struct slice name);
int tide_expressions_add_value(struct tide_expressions *expressions, struct slice placeholder,
	const struct value *value);
int tide_expressions_add_position(struct tide_expressions *expressions,
	const struct value *value);

/* Parses a text, or takes it from the cache of the handle. Once for each kind. VALIDATION,
 * NO_MEMORY. */
int tide_expressions_parse(struct tide_expressions *expressions, enum expression_kind kind,
	struct slice text, struct failure *failure);

/* Returns how many `?` the texts have. There must be as many positions. */
size_t tide_expressions_positions(const struct tide_expressions *expressions);

/* Binds the texts to the parameters and makes every check that needs no table.
 * null_expressions names the expressions of the operation that could have taken values, as
 * "ConditionExpression is null". VALIDATION, NO_MEMORY. */
int tide_expressions_bind(struct tide_expressions *expressions, const char *null_expressions,
	struct failure *failure);

/* Returns VALIDATION if there is a bound projection and one of its paths leads into a key
 * attribute. */
int tide_expressions_check_projection(const struct tide_expressions *expressions,
	const struct key_schema *schema, struct failure *failure);

/* Returns the name of an image that the bound EXPRESSION_RECORD_FILTER reads and that streams with
 * this view do not contain; NULL if there is none. Static. */
const char *tide_expressions_unstored_image(const struct tide_expressions *expressions,
	uint8_t view);

/* Appends to out what the update touches of an item (UPDATED_OLD of the old one, UPDATED_NEW of
 * the new one), or what the projection selects. Return 0, CORRUPT or NO_MEMORY. */
int tide_expressions_updated(const struct tide_expressions *expressions, struct slice item,
	struct buffer *out);
int tide_expressions_project(const struct tide_expressions *expressions, struct slice item,
	struct buffer *out);

/* --- writing --- */

/* Acquires the write lock and begins a transaction, in which every later call that takes a
 * table works until commit or abort. Returns BUSY immediately if another handle holds the lock
 * (failure->pid is its process; a tide_waiter waits for it), NESTED or READ_ONLY. */
int tide_begin(struct tide *tide, struct failure *failure);

/* Commits the transaction and releases the write lock, also on failure. After DISK_FULL, FULL
 * or STORE nothing was written; after UNKNOWN_OUTCOME the database must be closed and opened
 * again to find out. FORKED as tide_ready. */
int tide_commit(struct tide *tide, struct failure *failure);

/* Discards the transaction and releases the write lock. No effect without a transaction. */
void tide_abort(struct tide *tide);

/* Sets the annotation of the open transaction (codec/annotation.h), encoded; no bytes: none. It
 * replaces an earlier one. The records of time to live do not get it. */
int tide_annotate(struct tide *tide, struct slice annotation, struct failure *failure);

/* Returns true if the handle has an open transaction. */
bool tide_in_transaction(const struct tide *tide);

/* Returns the sequence number of the last change that this handle has committed; 0: none. */
uint64_t tide_last_change(const struct tide *tide);

/* A place in the queue for the write lock, for one thread or coroutine. A waiter that has
 * waited for some milliseconds goes before every writer that has not (os/shared_page.h). Close
 * it after the transaction has begun or the attempt was abandoned, and before the handle. */
struct tide_waiter;

/* Creates a waiter. at_descriptor: it is notified by a tide_wakeup for WAKEUP_UNLOCKS and does
 * not use tide_waiter_sleep. */
int tide_waiter_open(struct tide_waiter **waiter, struct tide *tide, bool at_descriptor,
	struct failure *failure);

/* Leaves the queue. Accepts NULL. */
void tide_waiter_close(struct tide_waiter *waiter);

/* Lets the next tide_begin on the handle use this place, whether it succeeds or fails. */
void tide_waiter_use(struct tide_waiter *waiter);

/* Sleeps until the lock may be free for this waiter, at most ms milliseconds. Returns 0 or
 * INTERRUPTED (a signal). */
int tide_waiter_sleep(struct tide_waiter *waiter, uint32_t ms);

/* For a waiter at a descriptor, after the descriptor was cleared: returns the longest time to
 * wait, in microseconds; 0: try again immediately. */
uint64_t tide_waiter_arm(struct tide_waiter *waiter);

/* Result of one change. The items are valid until the next change. */
struct tide_change {
	uint64_t sequence;           /* sequence number; 0: the item did not change */
	struct slice old_item;       /* len 0: there was none */
	struct slice new_item;       /* len 0: there is none */
};

enum tide_operation { TIDE_PUT, TIDE_UPDATE, TIDE_DELETE };

/* Stores an item, replacing the one with the same key. Must be called in a transaction. Returns
 * NOT_FOUND (the table), VALIDATION (the item or its key), FULL. After an error the caller
 * must abort the transaction. */
int tide_put(struct tide *tide, struct tide_table *table, struct slice item,
	struct tide_change *change, struct failure *failure);

/* Deletes the item with this key. Otherwise like tide_put. */
int tide_delete(struct tide *tide, struct tide_table *table, struct slice key,
	struct tide_change *change, struct failure *failure);

/* Makes a put, update or delete with the condition and the update of `expressions` (bound; NULL:
 * none), in a transaction. item is the key and nothing else unless the operation is a put. An
 * update creates the item if it does not exist, unless it only removes. Returns the errors of
 * tide_put, and CONDITION_FAILED: then nothing has changed, and change->old_item is the item that
 * failed the condition. */
int tide_write(struct tide *tide, struct tide_table *table, enum tide_operation operation,
	struct slice item, struct tide_expressions *expressions, struct tide_change *change,
	struct failure *failure);

/* What tide_sweep has removed. */
struct tide_swept {
	uint64_t items;              /* expired items (time to live) */
	uint64_t records;            /* expired records of items */
	uint64_t rows;               /* of deleted tables, indexes and changes of tables */
};

/* Does one step of removing expired items, expired records and the rows of deleted tables, and of
 * building and removing indexes, in a transaction of its own. Adds what it removed to *swept. Sets
 * *more to true if another step would remove more. Returns BUSY, NESTED, READ_ONLY, or CORRUPT if
 * only damaged rows are left. */
int tide_sweep(struct tide *tide, struct tide_swept *swept, bool *more,
	struct failure *failure);

/* Sets *due_ms to the time from now until tide_sweep can remove an item by time to live: negative
 * if it is past, INT64_MAX if no item expires. Sets *expires to false if items cannot expire,
 * because no table has time to live, or if the handle is read-only. */
int tide_next_expiry(struct tide *tide, bool *expires, int64_t *due_ms,
	struct failure *failure);

/* Progress of the removal of all items of a table. Zeroed: it has not begun. */
struct tide_truncation {
	uint32_t table;              /* its id */
	uint64_t sequence;           /* last sequence number when it began */
	struct key last;             /* of the last item visited */
};

/* Does one step of removing the items that the table had at the first step, in a transaction of
 * its own; items put or changed since then stay. With a stream each has a REMOVE record. The first
 * step adds the record of the truncation. Adds the number of items removed to *removed, and sets
 * *more if the next step may remove more. A step that fails changes nothing, and can be repeated.
 * Returns NESTED, READ_ONLY, FULL, NOT_FOUND, also if the table was deleted and created again
 * since the first step, or CORRUPT if the next item is damaged. */
int tide_truncate(struct tide *tide, struct tide_table *table,
	struct tide_truncation *progress, uint64_t *removed, bool *more,
	struct failure *failure);

/* --- reading items --- */

/* Replaces the contents of out with the item that has this key, and sets *sequence to the
 * sequence number of its last change. Returns END if there is no such item, NOT_FOUND (the
 * table) or VALIDATION (the key). In a transaction of this handle tide_get sees the
 * transaction's writes; tide_get_committed always reads the last commit. */
int tide_get(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure);
int tide_get_committed(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure);

/* --- snapshots --- */

/* The database as of one commit. While a snapshot is open, pages that it uses are not freed and
 * the file can grow. Close it before the handle. */
struct tide_snapshot;

/* Takes a snapshot of the last commit. Returns NESTED in a transaction, READERS_FULL. */
int tide_snapshot_open(struct tide_snapshot **snapshot, struct tide *tide,
	struct failure *failure);

/* Accepts NULL. */
void tide_snapshot_close(struct tide_snapshot *snapshot);

/* Sets a time limit, or another one: the first tide_ready after deadline_ms (of the process's
 * clock) releases the snapshot, and reading from it returns TIMEOUT. */
void tide_snapshot_limit(struct tide_snapshot *snapshot, uint64_t deadline_ms);

/* Makes a thread of this process release snapshots soon after their time limits, also while the
 * process calls nothing. */
void tide_release_in_time(struct tide *tide);

/* Returns the number of the commit that the snapshot shows. */
uint64_t tide_snapshot_commit(const struct tide_snapshot *snapshot);

/* Returns the number of the last commit; in a transaction, of the last commit before it. Equal
 * to tide_snapshot_commit if nothing has changed since the snapshot. */
uint64_t tide_last_commit(const struct tide *tide);

/* Returns the version of the snapshot's catalog. Two snapshots with the same version have the
 * same tables and streams with the same definitions. */
uint64_t tide_snapshot_catalog(const struct tide_snapshot *snapshot);

/* Copies the table's row in the snapshot to *row. Returns NOT_FOUND or TIMEOUT. */
int tide_describe_table_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct table_row *row, struct failure *failure);

/* Sets *key to the stored form of the item's key. is_key: item must contain exactly the key
 * attributes, and errors are those of tide_get; otherwise those of tide_put. */
int tide_key_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, bool is_key, struct key *key,
	struct failure *failure);

/* Reads an item from the snapshot like tide_get. item may have attributes besides its key. Sets
 * *sequence to 0 if it returns END. Returns TIMEOUT. */
int tide_get_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, struct buffer *out, uint64_t *sequence,
	struct failure *failure);

/* Sets *expired to true if this item of the table was expired when the snapshot was taken. Returns
 * 0, or NOT_FOUND or TIMEOUT. */
int tide_expired_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, bool *expired, struct failure *failure);

/* Evaluates a put, update or delete on the item `old` (len 0: none) as tide_write does, with the
 * table's key schema in the snapshot, and stores nothing. */
int tide_evaluate(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, enum tide_operation operation, struct slice item,
	struct slice old, struct tide_expressions *expressions, struct tide_change *change,
	struct failure *failure);

/* Sets *sequence to the sequence number of the item's last change, 0 if there is no such item.
 * Reads from the open transaction, or from the last commit. item may have attributes besides its
 * key. */
int tide_version(struct tide *tide, struct tide_table *table, struct slice item,
	uint64_t *sequence, struct failure *failure);

/* --- queries --- */

#define TIDE_SEGMENTS_MAX 1000000

/* What a query reads. Values and keys need to be valid only during tide_query_start. */
struct tide_query_spec {
	const struct value *partition;       /* partition key; NULL: the whole table */
	enum comparison comparison;          /* of the sort key with a and b */
	struct value a, b;
	bool backward;                       /* descending sort keys */
	struct slice start_key;              /* item before the first; len 0: none */
	uint32_t segment;                    /* only the items of this segment, from 0 */
	uint32_t total_segments;             /* at most TIDE_SEGMENTS_MAX; 0: all items */
	const struct tide_snapshot *snapshot;        /* NULL: a new one for each page */
	bool committed;                      /* true: the last commit; false: in a transaction
	                                      * of the handle, also its writes */
	struct tide_expressions *expressions;        /* bound: key condition (then partition and
	                                      * comparison are not set), filter, projection;
	                                      * NULL: none. They belong to the query once it
	                                      * is started. */
};

struct tide_query;

/* Starts a query without reading an item. A snapshot in spec must stay open until
 * tide_query_finish or tide_query_rewind. Returns NOT_FOUND, VALIDATION, TIMEOUT. */
int tide_query_start(struct tide_query **query, struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec, struct failure *failure);

/* Reads the next page: at most max items, at most 1,000 items, and no item that would begin
 * after 1 MiB. With a segment a page also ends after about 100,000 items of other segments. An
 * empty page is the end of the range unless tide_query_more returns true. Returns NOT_FOUND if the
 * table was deleted, CORRUPT if the first item of the page is damaged, TIMEOUT. */
int tide_query_fill(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure);

/* Makes each later page end after the item with which it reaches max_bytes, less than 1 MiB; 0: no
 * such limit. tide_query_rewind removes it. */
void tide_query_limit_pages(struct tide_query *query, size_t max_bytes);

/* Returns the page's next item, or END. *item is valid until the next fill. tide_query_peek does
 * not advance. */
int tide_query_next(struct tide_query *query, uint64_t *sequence, struct slice *item);
int tide_query_peek(const struct tide_query *query, uint64_t *sequence, struct slice *item);

/* Returns the last item of the page, and moves the memory in which it is to *bytes, which the
 * caller releases. Returns END if another item, or none, is next. */
int tide_query_take_last(struct tide_query *query, uint64_t *sequence, struct slice *item,
	struct buffer *bytes);

/* Returns true if the range continues after the page. */
bool tide_query_more(const struct tide_query *query);

/* Return the number of items in the page, and of those evaluated for it. */
uint32_t tide_query_count(const struct tide_query *query);
uint32_t tide_query_scanned(const struct tide_query *query);

/* Returns the key attributes to continue after, valid until the next fill, if the query has a
 * filter, projection or segment and the range continues after the page; otherwise no bytes. They
 * are those of the last item evaluated, or with a segment of an item that was skipped. */
struct slice tide_query_last_key(const struct tide_query *query);

/* Applies the filter and the projection to an item. A query with a snapshot returns all of its
 * items whole, and its caller does this. Returns 0 with *shown, valid until the next call; END if
 * the filter leaves the item out; CORRUPT, NO_MEMORY. */
int tide_query_select(struct tide_query *query, struct slice item, struct slice *shown);

/* Returns true if the query has a filter. A page can have fewer items than were evaluated then. */
bool tide_query_filters(const struct tide_query *query);

/* Sets *key to the stored form of the key of an item that the query returned. Only for a query
 * with spec->snapshot. */
int tide_query_key(const struct tide_query *query, struct tide *tide, struct slice item,
	struct key *key, struct failure *failure);

/* Returns where a stored key is: -1 before the query's range, 0 in it, 1 after it. Only for a
 * query with spec->snapshot. */
int tide_query_place(const struct tide_query *query, struct slice key);

/* Returns true unless the item, or the map of key attributes, is in another segment. */
bool tide_query_has(const struct tide_query *query, struct slice item);

/* Restarts the query at the beginning of its range. From now on it does not use spec->snapshot
 * but a new snapshot for each page. */
void tide_query_rewind(struct tide_query *query);

/* Makes a query with spec->snapshot read the rest of its range from another snapshot. */
void tide_query_move(struct tide_query *query, const struct tide_snapshot *snapshot);

/* Makes the query read all its pages from one snapshot, taken now; or, unless spec->committed,
 * from the open transaction. At most once for each query. The snapshot is released by a fill
 * that fails or reaches the end with an empty page, at deadline_ms (like tide_snapshot_limit; 0:
 * no limit), by tide_query_unpin or by tide_query_finish. Returns READERS_FULL. */
int tide_query_pin(struct tide_query *query, struct tide *tide, uint64_t deadline_ms,
	struct failure *failure);

/* Releases the snapshot. Each later fill returns an empty page if why is END, otherwise the
 * error why. */
void tide_query_unpin(struct tide_query *query, int why);

/* Returns true if a query that holds a snapshot (tide_query_pin) has read to the end. */
bool tide_query_ended(const struct tide_query *query);

/* Accepts NULL. */
void tide_query_finish(struct tide_query *query);

/* Returns the memory that the query occupies, in bytes. */
size_t tide_query_bytes(const struct tide_query *query);

/* --- streams --- */

/* Sets *stream to the id of the table's newest stream, or of the stream with this label
 * (label.len > 0), which can also be found after the table was deleted. Returns NOT_FOUND. */
int tide_stream_of(struct tide *tide, struct slice table, struct slice label, uint32_t *stream,
	struct failure *failure);

struct tide_stream_state {
	const struct stream_row *row;        /* lent */
	uint64_t first_sequence;     /* of the oldest record that is not expired; 0: none */
	uint64_t last_sequence;      /* of the newest record */
	uint64_t count;              /* records that are not expired */
	uint64_t bytes;              /* of these records */
	uint64_t trimmed_through;    /* sequence number of the newest expired record */
	int64_t retention_lead_ms;   /* as in tide_info */
};

/* Fills *state. Returns NOT_FOUND. */
int tide_describe_stream(struct tide *tide, uint32_t stream, struct tide_stream_state *state,
	struct failure *failure);

/* Sets *row to the stream's row, which is lent, without reading any record: it also works if
 * records are damaged. Returns NOT_FOUND. */
int tide_stream_row(struct tide *tide, uint32_t stream, const struct stream_row **row,
	struct failure *failure);

/* Position at which a feed starts. */
enum tide_from {
	TIDE_TRIM_HORIZON,           /* the oldest record */
	TIDE_LATEST,                 /* after the last change */
	TIDE_AT,                     /* the first record with this number or a greater one */
	TIDE_AFTER,                  /* the first record with a greater number */
	TIDE_TIME,                   /* the first record created at or after this time */
	TIDE_SNAPSHOT,               /* all items, then what changes; for consumers only */
	TIDE_NEWEST,                 /* the newest record, then older and older ones */
};

/* A reader of one stream, or of several or all streams merged by sequence number. */
struct tide_feed;

/* Starts a feed. stream: an id; 0: all tables; TIDE_STREAMS_AND_TABLES: also the changes of tables.
 * at: a sequence number for TIDE_AT and TIDE_AFTER, milliseconds since 1970 for TIDE_TIME. With
 * TIDE_NEWEST, for one stream, the feed returns the records that were committed at the start, in
 * descending order, and ends at the first expired one. Returns NOT_FOUND, or AHEAD if `at` is
 * greater than the last sequence number. */
#define TIDE_STREAMS_AND_TABLES UINT32_MAX
int tide_feed_start(struct tide_feed **feed, struct tide *tide, uint32_t stream,
	enum tide_from from, uint64_t at, struct failure *failure);

/* Makes the feed return only changes of tables, and records of the item with this key (no bytes: of
 * any item) that satisfy the bound EXPRESSION_RECORD_FILTER of `expressions` (NULL: no condition).
 * Must be called once, before the first fill; a key requires a feed of one stream. Takes over
 * expressions, unless it returns an error: VALIDATION (no key of the stream's table), NOT_FOUND. */
int tide_feed_filter(struct tide_feed *feed, struct tide *tide, struct slice key,
	struct tide_expressions *expressions, struct failure *failure);

/* Reads the next page of at most max records. An empty page means that the feed has read all
 * committed records, or, if tide_feed_is_behind, that the filter has left out the records of a
 * page. Returns TRIMMED if records expired before they were read, or NOT_FOUND if
 * the stream was removed. */
int tide_feed_fill(struct tide_feed *feed, struct tide *tide, uint32_t max,
	struct failure *failure);

/* Returns the page's next record and advances the position, or returns END. *record is valid
 * until the next fill. tide_feed_peek does not advance. */
int tide_feed_next(struct tide_feed *feed, uint32_t *stream, struct slice *record);
int tide_feed_peek(const struct tide_feed *feed, uint32_t *stream, struct slice *record);

/* Discards the records of the page that were not returned. The next fill reads them again. */
void tide_feed_reread(struct tide_feed *feed);

/* Returns the sequence number of the last record returned or left out by the filter, or of the
 * start position. */
uint64_t tide_feed_position(const struct tide_feed *feed);

/* Returns true if the last fill ended before the last committed record or, in a copy, if it is not
 * over. */
bool tide_feed_is_behind(const struct tide_feed *feed);

/* Returns true if the feed has read records after this transaction. If it has returned a record
 * of the transaction and this returns true, it will return no other. */
bool tide_feed_is_past(const struct tide_feed *feed, uint64_t transaction);

/* Returns false if there was no commit since a fill that found no records. Costs a few memory
 * loads. */
bool tide_feed_has_news(struct tide_feed *feed, const struct tide *tide);

/* Sleeps until a commit touches the feed's stream, at most ms milliseconds and at most one second.
 * Returns 0 or INTERRUPTED (a signal). Does not sleep if there was a commit since the last fill. */
int tide_feed_wait(const struct tide_feed *feed, struct tide *tide, uint32_t ms);

/* Returns true if a commit has touched the stream since the last fill or since has_news returned
 * false. Also returns true once a second if there were commits to any stream, because a writer
 * that is killed notifies no reader. Begins no transaction. */
bool tide_feed_is_touched(const struct tide_feed *feed, const struct tide *tide);

/* Accepts NULL. */
void tide_feed_finish(struct tide_feed *feed);
/* Returns the memory that the feed occupies, in bytes. */
size_t tide_feed_bytes(const struct tide_feed *feed);

/* Returns STREAM_ENDED if all records were returned and one of the feed's streams will get no more,
 * with the reason in the message. Feeds of all streams never end. */
int tide_feed_check_ended(const struct tide_feed *feed, struct tide *tide,
	struct failure *failure);

/* --- the name of the file --- */

/* Returns FILE_GONE if the path that the database was opened with no longer exists, or
 * FILE_REPLACED if another file has that name. A reader calls it when it has read all records
 * and before it waits. Checks the path at most once a second; once it has found one of the two,
 * at each call. */
int tide_check_name(struct tide *tide, struct failure *failure);

/* --- wakeups: waiting with a file descriptor --- */

/* A descriptor that becomes readable after commits, or after the write lock was released. It is
 * a hint: the caller must check whether there is news. Close it before the handle. */
struct tide_wakeup;

int tide_wakeup_open(struct tide_wakeup **wakeup, struct tide *tide, enum wakeup_kind kind,
	struct failure *failure);

/* Returns the descriptor, which stays owned by the wakeup. */
int tide_wakeup_descriptor(const struct tide_wakeup *wakeup);

/* Makes the descriptor unreadable again. Call it before checking for news. */
void tide_wakeup_clear(struct tide_wakeup *wakeup);

/* Sleeps until the descriptor is readable, at most ms milliseconds. Returns 0, END (time is
 * over) or INTERRUPTED (a signal). */
int tide_wakeup_wait(const struct tide_wakeup *wakeup, uint32_t ms);

/* Returns the number of milliseconds after which the caller must check for news even if the
 * descriptor did not become readable. */
uint32_t tide_wakeup_timeout(const struct tide_wakeup *wakeup);

/* Accepts NULL. */
void tide_wakeup_close(struct tide_wakeup *wakeup);

/* --- checking --- */

/* Checks the last commit, while other processes may write. Reads the file without LMDB, so that
 * damage can neither crash the process nor make it loop forever. Problems are counted and listed
 * in *report, whose buffer the caller releases. Returns NESTED, READERS_FULL. */
int tide_check(struct tide *tide, struct report *report, struct failure *failure);

/* Checks a file that does not have to be open and may be too damaged to open. Writes nothing and
 * creates no file. If other processes write to the file during the check, opens it (read-only)
 * and checks it like tide_check. Returns NO_FILE, NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT,
 * FOREIGN_FORMAT, PERMISSION, or CORRUPT if both meta pages are damaged. */
int tide_check_file(const char *path, struct report *report, struct failure *failure);

/* --- checking in the background (api/checkup.c) --- */

struct tide_checkup;

/* Starts tide_check on a new thread, which holds a snapshot. The handle can be used at the same
 * time. Finish the checkup before the handle is closed. Returns NESTED, READERS_FULL. */
int tide_checkup_start(struct tide_checkup **checkup, struct tide *tide,
	struct failure *failure);

/* Starts tide_check_file on a new thread. */
int tide_checkup_file(struct tide_checkup **checkup, const char *path,
	struct failure *failure);

/* Starts tide_check_file in a child process. If that crashes, or makes no progress for
 * stall_timeout_ms and is killed, this is reported as a problem of the file. */
int tide_checkup_isolated(struct tide_checkup **checkup, const char *path,
	uint32_t stall_timeout_ms, struct failure *failure);

/* Returns 0 and sets *report (valid until tide_checkup_finish) if the check is done, END while it
 * runs, FORKED after a fork, otherwise the error of the check. After tide_checkup_isolated it must
 * be called about every 100 ms, because it enforces stall_timeout_ms. */
int tide_checkup_result(struct tide_checkup *checkup, const struct report **report,
	struct failure *failure);

/* Sleeps until tide_checkup_result should be called, at most ms milliseconds, or until a signal. */
void tide_checkup_wait(const struct tide_checkup *checkup, uint32_t ms);

/* Returns a descriptor that is readable when tide_checkup_result should be called; the check may
 * still be running. The checkup owns the descriptor. */
int tide_checkup_descriptor(const struct tide_checkup *checkup);

/* Stops the check if it is still running, and frees it. Accepts NULL. */
void tide_checkup_finish(struct tide_checkup *checkup);

/* --- copying (api/backup.c) --- */

struct tide_backup_options {
	const char *path;            /* of the copy */
	bool compact;                /* append the rows in key order: full pages, none free */
	bool overwrite;              /* replace a database at the path */
	uint32_t busy_ms;            /* longest wait for the write lock */
};

struct tide_backup_facts {
	uint64_t bytes;              /* size of the copy */
	uint64_t source_bytes;       /* size of the database when the copy began */
	uint64_t grown_bytes;        /* growth of the database during the copy */
	uint64_t sequence;           /* of the last change in the copy */
	uint64_t items, records;     /* in the copy */
	uint8_t database_id[16];     /* of both */
	uint8_t incarnation[16];     /* of the copy: a new one, except by tide_compact_start */
	uint64_t elapsed_ms;         /* by the database's clock */
};

enum tide_backup_phase { TIDE_COPYING, TIDE_VERIFYING, TIDE_PUBLISHING };

struct tide_progress {
	enum tide_backup_phase phase;
	uint64_t done;               /* pages, or rows of a compact copy (copying); rows
	                              * (verifying); 0 (publishing) */
	uint64_t total;              /* estimated */
};

struct tide_backup;

/* Starts a copy of the last commit on a new thread; reads and writes continue. The complete,
 * checked and flushed file appears at the path, or nothing does. A snapshot is held during
 * the phase TIDE_COPYING. Finish the backup before the handle is closed.
 *
 * Returned immediately: NESTED, IN_USE (the path exists), VALIDATION (the path, or it is a file
 * of the database itself), NOT_DATABASE or PERMISSION (the file to be replaced is not a database,
 * or not ours). Returned by tide_backup_result: BUSY (the write lock, for busy_ms; or the database
 * to be replaced is open), DISK_FULL, CORRUPT (the copy has problems that tide_check finds),
 * INTERRUPTED, IN_USE. */
int tide_backup_start(struct tide_backup **backup, struct tide *tide,
	const struct tide_backup_options *options, struct failure *failure);

/* Starts a compact copy that replaces the database's own file and keeps its identity, including
 * the incarnation. Returns OPTIONS unless the handle was opened with options->alone and for
 * writing. After success the handle can only be closed. */
int tide_compact_start(struct tide_backup **backup, struct tide *tide,
	struct failure *failure);

/* Returns 0 and fills *facts if the copy is done, END if it is still running, otherwise its
 * error. */
int tide_backup_result(const struct tide_backup *backup, struct tide_backup_facts *facts,
	struct failure *failure);

/* Sets *progress to the current phase and its counters. */
void tide_backup_progress(const struct tide_backup *backup, struct tide_progress *progress);

/* Sleeps until the copy has ended, at most ms milliseconds, or until a signal. */
void tide_backup_wait(const struct tide_backup *backup, uint32_t ms);

/* Returns a descriptor that is readable when the copy has ended. The backup owns it. */
int tide_backup_descriptor(const struct tide_backup *backup);

/* Stops the copy if it is still running, removes its temporary file, and frees it. Accepts NULL. */
void tide_backup_finish(struct tide_backup *backup);

#endif
