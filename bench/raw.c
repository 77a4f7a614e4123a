/* raw.c - LMDB alone in C, the reference for this library.
 *
 * The same work on the same keys with values of the same size, without
 * checksums, format, additional lock or retention. The files are copied row by
 * row from a database of this library, and new values have the sizes found
 * there. The fastest functions of LMDB are used: one cursor for each tree and
 * transaction, MDB_CURRENT, MDB_APPEND, MDB_RESERVE. Ascending items are stored
 * like all others, because the program is not told that they ascend.
 *
 *     raw version                          LMDB's version
 *     raw copy FROM TO                     copies the file and flushes it
 *     raw pack FROM TO                     the same without free pages
 *     raw make FROM TO items|both          copies rows to a file of raw LMDB
 *     raw sizes FILE                       prints rows, pages and sizes of both trees
 *     raw put FILE items|both full|none random|PARTITION BATCH COUNT SEED
 *                                          stores random items, or ascending items
 *                                          of a new partition after all others
 *     raw trim FILE COUNT                  removes the oldest records
 *     raw scan FILE                        reads every record
 *     raw get FILE COUNT SEED              reads random items
 *
 * Commands that measure print one line: the nanoseconds of an operation, and for
 * `put` those of the longest transaction. The rows that they need are read
 * before, so that they are in memory when the measurement starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec/key.h"
#include "codec/record.h"
#include "codec/row.h"
#include "lib/program.h"

#define MAP_BYTES ((size_t)64 << 30)
#define COPY_BATCH 10000
#define TRIM_BATCH 256
#define KEY_ROOM 40
#define IMAGE_MAX 1024

/* Sort keys of ascending items, as in bench/lib/orders.lua. */
#define ASCENDING_FIRST INT64_C(1700000000001)
#define ASCENDING_STEP 100

static void must(int rc, const char *what)
{
	if (rc)
		die(what, mdb_strerror(rc));
}

/* --- files --- */

struct file {
	MDB_env *env;
	MDB_dbi items;
	MDB_dbi log;
};

static void file_open(struct file *file, const char *path, unsigned flags)
{
	unsigned create = flags & MDB_RDONLY ? 0 : MDB_CREATE;
	MDB_txn *txn;

	must(mdb_env_create(&file->env), path);
	must(mdb_env_set_mapsize(file->env, MAP_BYTES), path);
	must(mdb_env_set_maxdbs(file->env, 8), path);
	must(mdb_env_open(file->env, path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600), path);
	must(mdb_txn_begin(file->env, NULL, flags & MDB_RDONLY, &txn), path);
	must(mdb_dbi_open(txn, "items", create, &file->items), path);
	must(mdb_dbi_open(txn, "log", create, &file->log), path);
	must(mdb_txn_commit(txn), path);
}

static MDB_txn *begin(const struct file *file, unsigned flags)
{
	MDB_txn *txn;

	must(mdb_txn_begin(file->env, NULL, flags, &txn), "begin");
	return txn;
}

static MDB_cursor *cursor_of(MDB_txn *txn, MDB_dbi tree)
{
	MDB_cursor *cursor;

	must(mdb_cursor_open(txn, tree, &cursor), "cursor");
	return cursor;
}

/* A transaction with a cursor on each tree. */
struct work {
	MDB_txn *txn;
	MDB_cursor *items;
	MDB_cursor *log;
};

static struct work work_begin(const struct file *file, bool both)
{
	struct work work = { .txn = begin(file, 0) };

	work.items = cursor_of(work.txn, file->items);
	if (both)
		work.log = cursor_of(work.txn, file->log);
	return work;
}

static void work_commit(struct work *work)
{
	mdb_cursor_close(work->items);
	if (work->log)
		mdb_cursor_close(work->log);
	must(mdb_txn_commit(work->txn), "commit");
}

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat stat;
	ssize_t sent = 1;

	if (in < 0 || fstat(in, &stat))
		die(from, strerror(errno));
	if (out < 0)
		die(to, strerror(errno));
	for (off_t left = stat.st_size; left > 0 && sent > 0; left -= sent)
		sent = sendfile(out, in, NULL, (size_t)left);
	if (sent < 0 || fsync(out) || close(out) || close(in))
		die(to, strerror(errno));
}

static void pack(const char *from, const char *to)
{
	struct file file;

	file_open(&file, from, MDB_RDONLY | MDB_NOLOCK);
	must(mdb_env_copy2(file.env, to, MDB_CP_COMPACT), to);
	mdb_env_close(file.env);
}

/* Appends rows like this library, so that pages are equally full. */
static void make_tree(const struct file *from, MDB_dbi source, const struct file *to, MDB_dbi tree)
{
	MDB_txn *reader = begin(from, MDB_RDONLY), *txn = begin(to, 0);
	MDB_cursor *walk = cursor_of(reader, source);
	MDB_val key, value;
	uint64_t rows = 0;
	int rc;

	while ((rc = mdb_cursor_get(walk, &key, &value, MDB_NEXT)) == 0) {
		must(mdb_put(txn, tree, &key, &value, MDB_APPEND), "make");
		if (++rows % COPY_BATCH == 0) {
			must(mdb_txn_commit(txn), "make");
			txn = begin(to, 0);
		}
	}
	if (rc != MDB_NOTFOUND)
		must(rc, "make");
	must(mdb_txn_commit(txn), "make");
	mdb_cursor_close(walk);
	mdb_txn_abort(reader);
}

static void make(const char *path, const char *to, bool both)
{
	struct file from, made;

	file_open(&from, path, MDB_RDONLY | MDB_NOLOCK);
	file_open(&made, to, MDB_NOSYNC);
	make_tree(&from, from.items, &made, made.items);
	if (both)
		make_tree(&from, from.log, &made, made.log);
	must(mdb_env_sync(made.env, 1), to);
	mdb_env_close(made.env);
	mdb_env_close(from.env);
}

/* --- stored rows --- */

/* Last row of a tree, used as a sample of all rows. */
struct last {
	uint8_t key[KEY_ROOM];
	size_t key_len;
	size_t value_len;
};

/* Returns false, and sets *last to zeros, if the tree is empty. */
static bool last_row(const struct file *file, MDB_dbi tree, struct last *last)
{
	MDB_txn *txn = begin(file, MDB_RDONLY);
	MDB_cursor *cursor = cursor_of(txn, tree);
	MDB_val key, value;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);

	if (rc && rc != MDB_NOTFOUND)
		must(rc, "last row");
	*last = (struct last){ 0 };
	if (!rc) {
		if (key.mv_size > KEY_ROOM)
			die("last row", "its key is longer than this program thought of");
		last->key_len = key.mv_size;
		last->value_len = value.mv_size;
		memcpy(last->key, key.mv_data, key.mv_size);
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return !rc;
}

static void print_tree(const struct file *file, MDB_dbi tree)
{
	MDB_txn *txn = begin(file, MDB_RDONLY);
	struct last last;
	MDB_stat stat;

	must(mdb_stat(txn, tree, &stat), "stat");
	mdb_txn_abort(txn);
	last_row(file, tree, &last);
	printf("%zu %zu %zu %zu ", stat.ms_entries, stat.ms_branch_pages + stat.ms_leaf_pages +
		stat.ms_overflow_pages, last.key_len, last.value_len);
}

static void sizes(const char *path)
{
	struct file file;

	file_open(&file, path, MDB_RDONLY | MDB_NOLOCK);
	print_tree(&file, file.items);
	print_tree(&file, file.log);
	printf("\n");
	mdb_env_close(file.env);
}

/* All keys of the items, from which random keys are chosen; or the keys of new items in
 * ascending order. */
struct keys {
	uint8_t (*all)[KEY_ROOM];
	size_t count;
	size_t len;
	size_t at;
};

/* Longest row of an item: the length depends only on the number in the header. */
struct item_row {
	size_t len;
	size_t item_at;                  /* offset of the item */
	uint8_t head;                    /* byte with the width of the number: doc/format.md */
};

static void keys_add(struct keys *keys, struct slice key)
{
	if (key.len > KEY_ROOM || (keys->count && key.len != keys->len))
		die("keys", "not all of the same length");
	memcpy(keys->all[keys->count++], key.data, keys->len = key.len);
}

static void take_longest(struct item_row *row, const MDB_val *value)
{
	if (value->mv_size <= row->len)
		return;
	row->len = value->mv_size;
	row->head = ((const uint8_t *)value->mv_data)[ROW_CHECKSUM];
	row->item_at = ROW_CHECKSUM + 1 + (row->head >> 4);
	if (row->len > IMAGE_MAX || row->item_at >= row->len)
		die("items", "they are not as this program thought");
}

static void keys_read(struct keys *keys, struct item_row *row, const struct file *file)
{
	MDB_txn *txn = begin(file, MDB_RDONLY);
	MDB_cursor *cursor = cursor_of(txn, file->items);
	MDB_stat stat;
	MDB_val key, value;

	must(mdb_stat(txn, file->items, &stat), "keys");
	*keys = (struct keys){ .all = get_memory(stat.ms_entries * sizeof *keys->all) };
	*row = (struct item_row){ 0 };
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		keys_add(keys, slice_of(key.mv_data, key.mv_size));
		take_longest(row, &value);
	}
	if (!keys->count)
		die("keys", "there are no items");
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
}

static const uint8_t *keys_pick(const struct keys *keys, uint64_t *state)
{
	return keys->all[chance(state) % keys->count];
}

/* Keys of ascending items, in a partition after all others. */
static void keys_make(struct keys *keys, uint32_t table, const char *name, size_t count)
{
	static const struct key_schema schema = {
		{ TYPE_S, 8, "customer" },
		{ TYPE_N, 9, "placed_at" },
	};
	static const uint8_t no_secret[HASH_SECRET_BYTES];
	struct value partition = { .type = TYPE_S };
	struct value sort = { .type = TYPE_N };
	struct number number;
	struct key key;

	partition.bytes = slice_of((const uint8_t *)name, strlen(name));
	if (key_set_partition(&key, table, &schema, &partition, no_secret))
		die("keys", "the partition key is refused");
	*keys = (struct keys){ .all = get_memory(count * sizeof *keys->all) };
	for (size_t i = 0; i < count; i++) {
		number_from_integer(&number, ASCENDING_FIRST + (int64_t)i * ASCENDING_STEP);
		sort.bytes = number_slice(&number);
		if (key_set_sort(&key, &schema, &sort))
			die("keys", "the sort key is refused");
		keys_add(keys, key_whole(&key));
	}
}

/* --- put --- */

struct put {
	struct file file;
	struct keys keys;
	bool both;
	const char *partition;           /* of ascending items; NULL for random items */
	uint64_t state;                  /* of the random numbers */
	uint64_t sequence;
	struct last log;
	struct item_row row;
	size_t modify_len, insert_len;   /* length of a record */
	uint8_t image[IMAGE_MAX];        /* value of the item; a part of it changes with each put */
};

/* Determines from the last record whether records have one or two images. */
static void measure_records(struct put *put)
{
	size_t image = put->row.len - put->row.item_at;
	size_t least = ROW_CHECKSUM + image, len;
	struct record_place place;

	last_row(&put->file, put->file.log, &put->log);
	len = put->log.value_len;
	if (!record_get_key(&place, slice_of(put->log.key, put->log.key_len)) || place.part ||
			len < least)
		die("put", "there should be a record with an image");
	put->sequence = place.sequence;
	put->insert_len = len < least + image ? len : len - image;
	put->modify_len = put->insert_len + image;
}

static void put_prepare(struct put *put, size_t count)
{
	struct last last;

	if (!last_row(&put->file, put->file.items, &last))
		die("put", "there are no items");
	keys_read(&put->keys, &put->row, &put->file);
	memset(put->image, 'x', sizeof put->image);
	put->image[ROW_CHECKSUM] = put->row.head;
	if (put->partition) {
		free(put->keys.all);
		keys_make(&put->keys, get_id(slice_of(last.key, last.key_len)), put->partition,
			count);
	}
	if (put->both)
		measure_records(put);
}

static MDB_val next_key(struct put *put)
{
	const uint8_t *bytes = put->partition ? put->keys.all[put->keys.at++] :
		keys_pick(&put->keys, &put->state);

	return (MDB_val){ put->keys.len, (void *)(uintptr_t)bytes };
}

/* Writes a record with the old value at its offset; the header's contents don't matter. */
static void append_record(struct put *put, struct work *work, const uint8_t *old)
{
	size_t len = old ? put->modify_len : put->insert_len;
	size_t image = put->row.len - put->row.item_at;
	MDB_val key = { put->log.key_len, put->log.key };
	MDB_val value = { len, NULL };
	uint8_t *at;

	set_u64(put->log.key + put->log.key_len - 8, put->sequence);
	must(mdb_cursor_put(work->log, &key, &value, MDB_APPEND | MDB_RESERVE), "append");
	at = value.mv_data;
	memset(at, 0, len - image);
	if (old)
		memcpy(at + len - 2 * image, old, image);
	memcpy(at + len - image, put->image + put->row.item_at, image);
}

static void put_item(struct put *put, struct work *work, MDB_val *key, unsigned flags)
{
	MDB_val value = { put->row.len, put->image };

	must(mdb_cursor_put(work->items, key, &value, flags), "put");
}

static void put_one(struct put *put, struct work *work)
{
	uint8_t old[IMAGE_MAX];
	MDB_val key = next_key(put);
	size_t shorter;
	MDB_val value;

	put->sequence++;
	set_u32(put->image, (uint32_t)put->sequence);    /* at the offset of the checksum */
	if (!put->both) {
		put_item(put, work, &key, 0);
		return;
	}
	if (mdb_cursor_get(work->items, &key, &value, MDB_SET)) {
		append_record(put, work, NULL);
		put_item(put, work, &key, 0);
		return;
	}
	shorter = put->row.len - value.mv_size;
	if (value.mv_size > put->row.len || shorter >= put->row.item_at)
		die("put", "items are not all of the same size");
	memcpy(old, value.mv_data, value.mv_size);
	append_record(put, work, old + put->row.item_at - shorter);
	put_item(put, work, &key, MDB_CURRENT);
}

static void measure_put(struct put *put, uint64_t batch, uint64_t count)
{
	uint64_t start, last, longest = 0;

	put_prepare(put, count);
	start = last = now_ns();
	for (uint64_t done = 0; done < count; done += batch) {
		struct work work = work_begin(&put->file, put->both);
		uint64_t now;

		for (uint64_t i = 0; i < batch; i++)
			put_one(put, &work);
		work_commit(&work);
		now = now_ns();
		longest = now - last > longest ? now - last : longest;
		last = now;
	}
	printf("%.1f %" PRIu64 "\n", (double)(last - start) / (double)count, longest);
	free(put->keys.all);
}

/* --- trim, scan, get --- */

static void measure_trim(const char *path, uint64_t count)
{
	struct file file;
	uint64_t start, done = 0;

	file_open(&file, path, MDB_NOSYNC);
	start = now_ns();
	while (done < count) {
		struct work work = work_begin(&file, true);
		MDB_val key, value;

		for (int i = 0; i < TRIM_BATCH && done < count; i++, done++) {
			must(mdb_cursor_get(work.log, &key, &value, i ? MDB_NEXT : MDB_FIRST),
				"trim");
			must(mdb_cursor_del(work.log, 0), "trim");
		}
		work_commit(&work);
	}
	print_each(start, count);
	mdb_env_close(file.env);
}

static uint64_t scan_once(const struct file *file)
{
	MDB_txn *txn = begin(file, MDB_RDONLY);
	MDB_cursor *cursor = cursor_of(txn, file->log);
	MDB_val key, value;
	uint64_t records = 0;

	for (; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0; records++)
		touch(value.mv_data, value.mv_size);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return records;
}

static void measure_scan(const char *path)
{
	struct file file;
	uint64_t records, start;

	file_open(&file, path, MDB_RDONLY);
	scan_once(&file);
	start = now_ns();
	records = scan_once(&file);
	print_each(start, records);
	mdb_env_close(file.env);
}

static void measure_get(const char *path, uint64_t count, uint64_t state)
{
	struct file file;
	struct item_row row;
	struct keys keys;
	MDB_txn *txn;
	uint64_t start;

	file_open(&file, path, MDB_RDONLY);
	keys_read(&keys, &row, &file);
	txn = begin(&file, MDB_RDONLY);
	mdb_txn_reset(txn);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		MDB_val key = { keys.len, (void *)(uintptr_t)keys_pick(&keys, &state) };
		MDB_val value;

		must(mdb_txn_renew(txn), "get");
		must(mdb_get(txn, file.items, &key, &value), "get");
		touch(value.mv_data, value.mv_size);
		mdb_txn_reset(txn);
	}
	print_each(start, count);
	mdb_txn_abort(txn);
	free(keys.all);
	mdb_env_close(file.env);
}

/* --- the command line --- */

static void run_put(char **arg)
{
	static struct put put;

	put.both = is(arg[1], "both");
	put.partition = is(arg[3], "random") ? NULL : arg[3];
	put.state = seed_of(number_of(arg[6]));
	file_open(&put.file, arg[0], is(arg[2], "none") ? MDB_NOSYNC : 0);
	measure_put(&put, number_of(arg[4]), number_of(arg[5]));
	must(mdb_env_sync(put.file.env, 1), arg[0]);
	mdb_env_close(put.file.env);
}

int main(int count, char **arg)
{
	const char *command = count > 1 ? arg[1] : "";

	if (is(command, "version"))
		printf("%s\n", mdb_version(NULL, NULL, NULL));
	else if (is(command, "copy") && count == 4)
		copy(arg[2], arg[3]);
	else if (is(command, "pack") && count == 4)
		pack(arg[2], arg[3]);
	else if (is(command, "make") && count == 5)
		make(arg[2], arg[3], is(arg[4], "both"));
	else if (is(command, "sizes") && count == 3)
		sizes(arg[2]);
	else if (is(command, "put") && count == 9)
		run_put(arg + 2);
	else if (is(command, "trim") && count == 4)
		measure_trim(arg[2], number_of(arg[3]));
	else if (is(command, "scan") && count == 3)
		measure_scan(arg[2]);
	else if (is(command, "get") && count == 5)
		measure_get(arg[2], number_of(arg[3]), seed_of(number_of(arg[4])));
	else
		die("usage", "see the head of bench/raw.c");
	return 0;
}
