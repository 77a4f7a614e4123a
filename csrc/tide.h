/* tide.h - the contract: what the core offers to whoever puts a language on it.
 *
 * A struct tide is one handle on a database: of one thread at a time. Handles
 * on one file share what LMDB needs shared; what they remember is their own.
 *
 * Functions return 0, a negative enum error with *failure filled, or where it
 * says so END. Nothing here calls back, waits (but for the disk), or holds a
 * snapshot when it returns, except tide_snapshot_open and tide_query_pin.
 * Slices that are lent are good until the next call on the same handle unless
 * it says otherwise.
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
	const char *path;
	bool in_memory;
	bool read_only;
	bool create;
	bool alone;                  /* BUSY unless nobody else has it open, and nobody
	                              * else can open it until it is closed */
	enum durability durability;
	uint64_t max_bytes;          /* 0: the default, 64 GiB */
	struct clock *clock;         /* NULL: the machine's; kept until close */
};

/* NO_FILE, NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT, FOREIGN_FORMAT, PERMISSION,
 * VALIDATION (the path, or max_bytes above 64 TiB), OPTIONS (open in this process with
 * others), NAMESPACE, READERS_FULL, CORRUPT, FULL, DISK_FULL, NO_MEMORY, STORE. BUSY:
 * `alone` can't be had; or, with failure->momentary set, another process is opening or
 * compacting the database. One attempt, which never waits: the caller pauses and tries
 * again. */
int tide_open(struct tide **tide, const struct tide_options *options, struct failure *failure);

/* Records in the file at which boot it is written, if tide_open could not because
 * another process held the write lock: 0, or BUSY while one holds it still. To be
 * called after tide_open; tide_begin calls it too. At a weaker durability level it
 * flushes, so that no sequence number is used twice after a power cut. */
int tide_mark_boot(struct tide *tide, struct failure *failure);
void tide_close(struct tide *tide);          /* NULL is fine */

/* To be called before each use of the handle: FORKED in a child that inherited it; then
 * only tide_close. Releases the snapshots of this process on the same file, whichever
 * handle they were made from, whose time limit has passed. */
int tide_ready(const struct tide *tide, struct failure *failure);

struct tide_info {
	const char *path;            /* as it was opened; "" in memory */
	bool read_only;
	enum durability durability;
	uint8_t database_id[16];
	uint8_t incarnation[16];
	uint64_t sequence;           /* of the last committed change; 0: there was none */
	uint64_t file_bytes, free_bytes, page_bytes;
	uint64_t max_bytes;          /* writes stop here; less than was asked for, */
	uint64_t max_size;           /* this, where the address space is smaller */
	uint32_t readers, readers_max;       /* slots in use, of all processes; and all */
	uint64_t oldest_reader_lag;  /* commits since the oldest snapshot that is held, */
	int64_t oldest_reader_pid;   /* and by whom; 0: nobody */
	int64_t retention_lead_ms;   /* of the retention clock over the wall clock; negative:
	                              * a jump of the latter is not confirmed yet */
	const char *engine;          /* as tide_engine */
};
int tide_info(struct tide *tide, struct tide_info *info, struct failure *failure);

/* Flushes what weaker durability levels left in memory: STORE, DISK_FULL. */
int tide_sync(struct tide *tide, struct failure *failure);

/* Removes the reader slots of dead processes, one with the pid of this process too;
 * *cleared is their number. BUSY: a stopped process holds the slot lock. */
int tide_clear_readers(struct tide *tide, uint32_t *cleared, struct failure *failure);

/* The library below: "LMDB 0.9.24: ...". */
const char *tide_engine(void);

/* --- tables --- */

/* A table by name. What it stands for is looked up when it has to be: the
 * handle stays right when the table is made anew. */
struct tide_table {
	uint16_t len;
	uint64_t version;            /* of the catalog that `at` points into; 0: none */
	size_t at;
	char name[TABLE_NAME_MAX + 1];
};

/* VALIDATION when it can't be a table's name. */
int tide_table_named(struct tide_table *table, struct slice name, struct failure *failure);

struct tide_table_spec {
	struct slice name;
	struct key_schema schema;
	uint8_t view;                /* 0: no stream */
	struct retention retention;
};

/* Each is a transaction of its own: BUSY and NESTED besides their own errors
 * (table/define.h). */
int tide_create_table(struct tide *tide, const struct tide_table_spec *spec,
	struct failure *failure);
int tide_delete_table(struct tide *tide, struct slice name, struct failure *failure);
int tide_enable_stream(struct tide *tide, struct slice name, uint8_t view,
	const struct retention *retention, struct failure *failure);
int tide_disable_stream(struct tide *tide, struct slice name, struct failure *failure);
int tide_set_retention(struct tide *tide, uint32_t stream, const struct retention *retention,
	struct failure *failure);

/* The table's row: NOT_FOUND. Lent until the next call. */
int tide_describe_table(struct tide *tide, struct tide_table *table,
	const struct table_row **row, struct failure *failure);

/* Every table's name (varint length, bytes), in order; every stream's id (u32),
 * ascending. */
int tide_table_names(struct tide *tide, struct buffer *names, struct failure *failure);
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

/* Appends to out what the update touches of an item (UPDATED_OLD of the old one, UPDATED_NEW of
 * the new one), or what the projection selects. Return 0, CORRUPT or NO_MEMORY. */
int tide_expressions_updated(const struct tide_expressions *expressions, struct slice item,
	struct buffer *out);
int tide_expressions_project(const struct tide_expressions *expressions, struct slice item,
	struct buffer *out);

/* --- writing --- */

/* Takes the write lock and begins: BUSY at once when another has it (the pid
 * in failure; a tide_waiter waits), NESTED, READ_ONLY. Then every call below
 * that takes a table works in the transaction, until commit or abort. */
int tide_begin(struct tide *tide, struct failure *failure);
int tide_commit(struct tide *tide, struct failure *failure);
void tide_abort(struct tide *tide);
bool tide_in_transaction(const struct tide *tide);

/* Returns the sequence number of the last change that this handle has committed; 0: none. */
uint64_t tide_last_change(const struct tide *tide);

/* A place in the queue for the write lock, of one thread or one coroutine. A waiter that has
 * waited for some ms goes before every writer that has not (os/shared_page.h). Close it when the
 * transaction has begun or is given up, and before the handle.
 *
 * at_descriptor: it is notified by a tide_wakeup of WAKEUP_UNLOCKS, not by tide_waiter_sleep. */
struct tide_waiter;

int tide_waiter_open(struct tide_waiter **waiter, struct tide *tide, bool at_descriptor,
	struct failure *failure);
void tide_waiter_close(struct tide_waiter *waiter);          /* NULL is fine */

/* The next transaction that begins on the handle, or fails to, uses this place. */
void tide_waiter_use(struct tide_waiter *waiter);

/* Sleeps until the lock may be free for it, for ms at most; INTERRUPTED. */
int tide_waiter_sleep(struct tide_waiter *waiter, uint32_t ms);

/* At a descriptor, which has been cleared: how long to wait at most, in us; 0: try again now. */
uint64_t tide_waiter_arm(struct tide_waiter *waiter);

/* What a change did. The items are lent until the next change or request. */
struct tide_change {
	uint64_t sequence;           /* 0: nothing changed */
	struct slice old_item;       /* len 0: there was none */
	struct slice new_item;       /* len 0: there is none */
};

enum tide_operation { TIDE_PUT, TIDE_UPDATE, TIDE_DELETE };

/* Inside a transaction. */
int tide_put(struct tide *tide, struct tide_table *table, struct slice item,
	struct tide_change *change, struct failure *failure);
int tide_delete(struct tide *tide, struct tide_table *table, struct slice key,
	struct tide_change *change, struct failure *failure);

/* A put, update or delete with a condition and an update from `expressions` (bound; NULL: none).
 * item is the key and nothing else unless the operation is a put. An item that does not exist
 * is created by an update, unless that only removes. CONDITION_FAILED: nothing has changed, and
 * change->old_item is the item that failed. */
int tide_write(struct tide *tide, struct tide_table *table, enum tide_operation operation,
	struct slice item, struct tide_expressions *expressions, struct tide_change *change,
	struct failure *failure);

/* One step of clearing away, a transaction of its own (BUSY, NESTED, READ_ONLY): what
 * went is added to *records and, of deleted tables, to *rows; *more says that another
 * one would find something. CORRUPT when nothing is left but what is damaged. */
int tide_trim(struct tide *tide, uint64_t *records, uint64_t *rows, bool *more,
	struct failure *failure);

/* --- reading items --- */

/* Copies the item with this key to out. Returns 0, END if there is none, NOT_FOUND (the
 * table). *sequence is that of its last change. Inside a transaction of this handle
 * tide_get sees the transaction's writes; tide_get_committed always reads the last commit. */
int tide_get(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure);
int tide_get_committed(struct tide *tide, struct tide_table *table, struct slice key,
	struct buffer *out, uint64_t *sequence, struct failure *failure);

/* --- a snapshot that is held --- */

/* What the database was at one moment, as long as it is open: so long the file
 * keeps what it needs of that moment. NESTED in a transaction. Close it before
 * the handle. */
struct tide_snapshot;

int tide_snapshot_open(struct tide_snapshot **snapshot, struct tide *tide,
	struct failure *failure);
void tide_snapshot_close(struct tide_snapshot *snapshot);     /* NULL is fine */

/* Limits how long it is held: until deadline_ms by clock_elapsed_ms. The next tide_ready
 * releases it then, and reading from it is TIMEOUT. */
void tide_snapshot_limit(struct tide_snapshot *snapshot, uint64_t deadline_ms);

/* The last commit that the snapshot sees; the last commit before the open
 * transaction. The same number: nothing has changed in between. */
uint64_t tide_snapshot_commit(const struct tide_snapshot *snapshot);
uint64_t tide_last_commit(const struct tide *tide);

/* The version of its catalog: two snapshots that agree in it have the same tables and
 * streams, of the same definitions. */
uint64_t tide_snapshot_catalog(const struct tide_snapshot *snapshot);

/* The table's row as the snapshot has it, copied. NOT_FOUND. */
int tide_describe_table_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct table_row *row, struct failure *failure);

/* An item's place in the table: what is wrong with its key is said as tide_put
 * says it, or (is_key: the key and nothing else) as tide_get does. */
int tide_key_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, bool is_key, struct key *key,
	struct failure *failure);

/* As tide_get, but from the snapshot, and for whatever has the key attributes;
 * *sequence is 0 with END. */
int tide_get_at(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, struct slice item, struct buffer *out, uint64_t *sequence,
	struct failure *failure);

/* Evaluates a put, update or delete on the item `old` (no bytes: none) without storing anything:
 * as tide_write, with the table's keys of the snapshot. */
int tide_evaluate(struct tide *tide, const struct tide_snapshot *snapshot,
	struct tide_table *table, enum tide_operation operation, struct slice item,
	struct slice old, struct tide_expressions *expressions, struct tide_change *change,
	struct failure *failure);

/* The sequence number alone, 0 when there is no such item; from the open
 * transaction, or as it is now. */
int tide_version(struct tide *tide, struct tide_table *table, struct slice item,
	uint64_t *sequence, struct failure *failure);

/* --- reading many --- */

/* What to read; the values and the key are needed only while the query is
 * started. */
struct tide_query_spec {
	const struct value *partition;       /* NULL: the whole table */
	enum comparison comparison;
	struct value a, b;
	bool backward;
	struct slice start_key;              /* len 0: from the beginning */
	const struct tide_snapshot *snapshot;        /* NULL: one for each page */
	bool committed;                      /* reads the last commit; false: inside a
	                                      * transaction of the handle, its writes too */
	struct tide_expressions *expressions;        /* bound: key condition (then there is no
	                                      * partition and no comparison), filter,
	                                      * projection; NULL: none. It belongs to the
	                                      * query that was started. */
};

struct tide_query;

int tide_query_start(struct tide_query **query, struct tide *tide, struct tide_table *table,
	const struct tide_query_spec *spec, struct failure *failure);

/* Reads up to max items more into the query's page (an empty one: the end), and no
 * more than 1,000, or than begin in 1 MiB. NOT_FOUND (the table), CORRUPT, NO_MEMORY. */
int tide_query_fill(struct tide_query *query, struct tide *tide, uint32_t max,
	struct failure *failure);

/* The page's next item: 0 or END. Lent until the next fill. */
int tide_query_next(struct tide_query *query, uint64_t *sequence, struct slice *item);
int tide_query_peek(const struct tide_query *query, uint64_t *sequence, struct slice *item);

/* True if the range goes on behind the page. */
bool tide_query_more(const struct tide_query *query);

/* Of the page: how many items are in it, and how many were evaluated for it. */
uint32_t tide_query_count(const struct tide_query *query);
uint32_t tide_query_scanned(const struct tide_query *query);

/* With a filter or projection, if the range goes on: the key attributes of the last item that
 * was evaluated, lent until the next fill; else no bytes. */
struct slice tide_query_last_key(const struct tide_query *query);

/* Returns true if the query has a filter, so that a page may be empty before the end. */
bool tide_query_filters(const struct tide_query *query);

/* Of a query with a snapshot. The place of an item that it gave. */
int tide_query_key(const struct tide_query *query, struct tide *tide, struct slice item,
	struct key *key, struct failure *failure);

/* Where a place lies: before what was asked for (<0), in it (0), behind (>0). */
int tide_query_place(const struct tide_query *query, struct slice key);

/* Begins anew, and from now on without the snapshot. */
void tide_query_rewind(struct tide_query *query);

/* Makes the query read from one snapshot, taken now; or, unless it is `committed`, from
 * the transaction that is open. Once. The snapshot is held until a fill fails or gives an
 * empty page, until deadline_ms as tide_snapshot_limit (0: no limit), or until the query is
 * unpinned or finished. From then on each fill gives an empty page (why: END), or the error
 * that ended it. */
int tide_query_pin(struct tide_query *query, struct tide *tide, uint64_t deadline_ms,
	struct failure *failure);
void tide_query_unpin(struct tide_query *query, int why);

/* Returns true if a pinned query has read the end. */
bool tide_query_ended(const struct tide_query *query);
void tide_query_finish(struct tide_query *query);    /* NULL is fine */

/* Returns the bytes of memory that the query holds. */
size_t tide_query_bytes(const struct tide_query *query);

/* --- streams --- */

/* The id of a table's stream: the newest, or the one with this label; of a
 * table that is gone too, by label. NOT_FOUND. */
int tide_stream_of(struct tide *tide, struct slice table, struct slice label, uint32_t *stream,
	struct failure *failure);

/* NOT_FOUND. The row is lent until the next call. */
struct tide_stream_state {
	const struct stream_row *row;
	uint64_t first_sequence;     /* of the records in sight; 0: none */
	uint64_t last_sequence;
	uint64_t count;
	uint64_t bytes;
	uint64_t trimmed_through;
	int64_t retention_lead_ms;   /* as in tide_info */
};
int tide_describe_stream(struct tide *tide, uint32_t stream, struct tide_stream_state *state,
	struct failure *failure);

/* The same without a look at its records: a damaged one is in nobody's way. */
int tide_stream_row(struct tide *tide, uint32_t stream, const struct stream_row **row,
	struct failure *failure);

enum tide_from { TIDE_TRIM_HORIZON, TIDE_LATEST, TIDE_AT, TIDE_AFTER, TIDE_TIME };

struct tide_feed;

/* stream 0: all of them. `at` is a sequence number, or ms since 1970. */
int tide_feed_start(struct tide_feed **feed, struct tide *tide, uint32_t stream,
	enum tide_from from, uint64_t at, struct failure *failure);

/* Reads up to max records more into the feed's page; an empty page: caught up.
 * TRIMMED, CORRUPT, NOT_FOUND. */
int tide_feed_fill(struct tide_feed *feed, struct tide *tide, uint32_t max,
	struct failure *failure);

/* The page's next record: 0 or END. Lent until the next fill. */
int tide_feed_next(struct tide_feed *feed, uint32_t *stream, struct slice *record);
int tide_feed_peek(const struct tide_feed *feed, uint32_t *stream, struct slice *record);

/* Forgets what of the page is not given; the next fill reads it anew. */
void tide_feed_reread(struct tide_feed *feed);

/* The sequence number of the last record given. */
uint64_t tide_feed_position(const struct tide_feed *feed);

/* Returns false if nothing was committed since a fill that found nothing. Some loads. */
bool tide_feed_has_news(struct tide_feed *feed, const struct tide *tide);

/* Sleeps until a commit touches the feed's stream, for ms and one second at most;
 * INTERRUPTED. A feed that has records to give does not wait. */
int tide_feed_wait(const struct tide_feed *feed, struct tide *tide, uint32_t ms);

/* Returns true if a commit has touched the stream since has_news returned false, or since the
 * last fill; and once a second if there were any commits, because a writer that is killed
 * notifies no reader. Begins no transaction. */
bool tide_feed_is_touched(const struct tide_feed *feed, const struct tide *tide);
void tide_feed_finish(struct tide_feed *feed);       /* NULL is fine */

/* Returns the bytes of memory that the feed holds. */
size_t tide_feed_bytes(const struct tide_feed *feed);

/* Returns STREAM_ENDED if the feed's one stream gets no more records and all of them were
 * given: it was disabled, or its table deleted. failure says which. */
int tide_feed_check_ended(const struct tide_feed *feed, struct tide *tide,
	struct failure *failure);

/* --- the name of the file --- */

/* Returns FILE_GONE or FILE_REPLACED if the path that the database was opened by no longer
 * names its file. A reader calls it when it has caught up and before it waits. Looks at the
 * path at most once a second until it finds one of the two, then at each call. */
int tide_check_name(struct tide *tide, struct failure *failure);

/* --- waiting at a descriptor --- */

struct tide_wakeup;
int tide_wakeup_open(struct tide_wakeup **wakeup, struct tide *tide, enum wakeup_kind event,
	struct failure *failure);
int tide_wakeup_descriptor(const struct tide_wakeup *wakeup);
void tide_wakeup_clear(struct tide_wakeup *wakeup);
int tide_wakeup_wait(const struct tide_wakeup *wakeup, uint32_t ms);    /* END, INTERRUPTED */
/* Milliseconds until the next look, whether or not the descriptor is readable by then. */
uint32_t tide_wakeup_timeout(const struct tide_wakeup *wakeup);
void tide_wakeup_close(struct tide_wakeup *wakeup);        /* NULL is fine */

/* --- checking --- */

/* Of the last commit, while others may write. Without LMDB: whatever is in the
 * file, it comes back and names what is damaged. */
int tide_check(struct tide *tide, struct report *report, struct failure *failure);

/* The same for a file that need not be open, nor can be; nothing is written, or
 * made beside it. One that others write to meanwhile is opened (read-only).
 * NO_FILE, NOT_DATABASE, NEWER_FORMAT, OLDER_FORMAT, FOREIGN_FORMAT, PERMISSION, and
 * CORRUPT when not even one of its meta pages is sound. */
int tide_check_file(const char *path, struct report *report, struct failure *failure);

/* --- checking beside whoever asks (api/checkup.c) --- */

struct tide_checkup;

/* Starts tide_check on a thread of its own, which holds a snapshot; meanwhile the handle can
 * be used. Finish it before the handle. NESTED, READERS_FULL, NO_MEMORY, STORE. */
int tide_checkup_start(struct tide_checkup **checkup, struct tide *tide,
	struct failure *failure);

/* Starts tide_check_file on a thread; or in a child process: should that crash, or show no
 * progress for so long, it is a problem of the file. NO_MEMORY, STORE. */
int tide_checkup_file(struct tide_checkup **checkup, const char *path,
	struct failure *failure);
int tide_checkup_isolated(struct tide_checkup **checkup, const char *path,
	uint32_t stall_timeout_ms, struct failure *failure);

/* 0: done, with the report, lent until it is finished; END: not yet; or why it failed, FORKED
 * too. Ask about ten times a second: a child process is given up here. */
int tide_checkup_result(struct tide_checkup *checkup, const struct report **report,
	struct failure *failure);

/* Sleeps until there is something to ask about, or so many ms, or until a signal. */
void tide_checkup_wait(const struct tide_checkup *checkup, uint32_t ms);

/* Readable when there is something to ask about; it may have ended, or not. */
int tide_checkup_descriptor(const struct tide_checkup *checkup);

/* Ends it, if need be. NULL is fine. */
void tide_checkup_finish(struct tide_checkup *checkup);

/* --- copying (api/backup.c) --- */

struct tide_backup_options {
	const char *path;
	bool compact;                /* leave out free pages, and what was deleted in them */
	bool overwrite;              /* a database at the path is replaced */
	uint32_t busy_ms;            /* how long to wait for a writer to end */
};

struct tide_backup_facts {
	uint64_t bytes;              /* of the copy */
	uint64_t source_bytes;       /* of the database, when the copy began, */
	uint64_t grown_bytes;        /* and by how much it grew meanwhile */
	uint64_t sequence;           /* of the last change in the copy */
	uint64_t items, records;
	uint8_t database_id[16];     /* the same */
	uint8_t incarnation[16];     /* of the copy: a new one, but for tide_compact_start */
	uint64_t elapsed_ms;         /* by the database's clock */
};

enum tide_backup_phase { TIDE_COPYING, TIDE_VERIFYING, TIDE_PUBLISHING };

struct tide_progress {
	enum tide_backup_phase phase;
	uint64_t done, total;        /* pages; rows; nothing. total is an estimate */
};

struct tide_backup;

/* Starts a copy of the last commit, on a thread of its own; others go on, writers
 * too. The file at the path appears whole, verified and flushed, or not at all.
 * While pages are copied a snapshot is held. Finish it before the handle.
 *
 * Refused at once: NESTED, IN_USE (a file has the name), VALIDATION (the path, or it
 * is the database's own), NOT_DATABASE and PERMISSION (what is to be overwritten is
 * none, or not ours). Later: BUSY (a writer, for busy_ms; or the database to be
 * overwritten is open), DISK_FULL, CORRUPT (a copy that does not pass tide_check),
 * INTERRUPTED, IN_USE, STORE, NO_MEMORY. */
int tide_backup_start(struct tide_backup **backup, struct tide *tide,
	const struct tide_backup_options *options, struct failure *failure);

/* The same for a compact copy that takes the place of the database itself; it is
 * the same database, incarnation and all. Of a handle that was opened alone, or
 * OPTIONS. After a success the handle can only be closed. */
int tide_compact_start(struct tide_backup **backup, struct tide *tide,
	struct failure *failure);

/* 0: done, facts filled; END: not yet; or why it failed. */
int tide_backup_result(const struct tide_backup *backup, struct tide_backup_facts *facts,
	struct failure *failure);
void tide_backup_progress(const struct tide_backup *backup, struct tide_progress *progress);

/* Sleeps until it has ended, or so many ms, or until a signal. */
void tide_backup_wait(const struct tide_backup *backup, uint32_t ms);

/* Readable as soon as it has ended. */
int tide_backup_descriptor(const struct tide_backup *backup);

/* Ends it, if need be, and leaves nothing behind then. NULL is fine. */
void tide_backup_finish(struct tide_backup *backup);

#endif
