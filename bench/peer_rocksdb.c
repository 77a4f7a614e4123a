/* peer_rocksdb.c - RocksDB: items in one column family, changes in another.
 *
 * Changes have the format of lib/change.h. Old images are read before the writes; a
 * plain WriteBatch is enough, because no item is stored twice in a transaction. One
 * other process can follow: a secondary instance that polls.
 */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/change.h"

#define BLOOM_BITS 10

enum family { ITEMS, CHANGES, FAMILIES };

static const char *const names[FAMILIES] = { "default", "changes" };

static rocksdb_t *db;
static rocksdb_column_family_handle_t *families[FAMILIES];
static rocksdb_options_t *options;
static rocksdb_writeoptions_t *writing;
static rocksdb_readoptions_t *reading;
static rocksdb_writebatch_t *batch;
static rocksdb_iterator_t *walk;
static uint64_t sequence;        /* number of the last change written or read */
static enum use use;

static void must(char *error, const char *what)
{
	if (error)
		die(what, error);
}

static void describe(void)
{
	printf("RocksDB by its C API; two column families, no compression\n");
	printf("block cache %d MiB (LRU), bloom filter of %d bits, else as it comes\n", CACHE_MIB,
		BLOOM_BITS);
	printf("full, one_flush: WriteOptions.sync; relaxed, none: the same without; WAL always\n");
	printf("put: Get, then one WriteBatch with the item and its change; trim: DeleteRange\n");
}

static uint64_t sequence_at(const rocksdb_iterator_t *at)
{
	size_t len;

	return change_number(rocksdb_iter_key(at, &len));
}

static void make_options(void)
{
	rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
	rocksdb_cache_t *cache = rocksdb_cache_create_lru((size_t)CACHE_MIB << 20);

	rocksdb_block_based_options_set_block_cache(table, cache);
	rocksdb_block_based_options_set_filter_policy(table,
		rocksdb_filterpolicy_create_bloom(BLOOM_BITS));
	options = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_create_missing_column_families(options, 1);
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	rocksdb_options_set_block_based_table_factory(options, table);
	rocksdb_block_based_options_destroy(table);
	rocksdb_cache_destroy(cache);
}

static void open_handles(const char *path)
{
	const rocksdb_options_t *both[FAMILIES] = { options, options };
	char *error = NULL;

	if (use == USE_FOLLOW) {
		char *main = strdup(path_of(path, "data"));

		db = rocksdb_open_as_secondary_column_families(options, main,
			path_of(path, "secondary"), FAMILIES, names, both, families, &error);
		free(main);
	} else {
		db = rocksdb_open_column_families(options, path_of(path, "data"), FAMILIES,
			names, both, families, &error);
	}
	must(error, path);
}

static void stop(void)
{
	if (walk)
		rocksdb_iter_destroy(walk);
	walk = NULL;
}

static uint64_t edge(void (*seek)(rocksdb_iterator_t *))
{
	rocksdb_iterator_t *at = rocksdb_create_iterator_cf(db, reading, families[CHANGES]);
	uint64_t number;

	seek(at);
	number = rocksdb_iter_valid(at) ? sequence_at(at) : 0;
	rocksdb_iter_destroy(at);
	return number;
}

static void open_db(const char *path, enum level level, enum use wanted)
{
	use = wanted;
	make_options();
	writing = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(writing, level == LEVEL_FULL || level == LEVEL_ONE_FLUSH);
	reading = rocksdb_readoptions_create();
	batch = rocksdb_writebatch_create();
	open_handles(path);
	sequence = edge(rocksdb_iter_seek_to_last);
}

static void close_db(void)
{
	stop();
	for (int i = 0; i < FAMILIES; i++)
		rocksdb_column_family_handle_destroy(families[i]);
	rocksdb_close(db);
	rocksdb_writebatch_destroy(batch);
	rocksdb_readoptions_destroy(reading);
	rocksdb_writeoptions_destroy(writing);
	rocksdb_options_destroy(options);
}

/* --- writing --- */

static void begin(uint64_t puts)
{
	(void)puts;
	rocksdb_writebatch_clear(batch);
}

static void commit(void)
{
	char *error = NULL;

	rocksdb_write(db, writing, batch, &error);
	must(error, "write");
}

static bool get(const uint8_t *key, uint8_t *item)
{
	char *error = NULL;
	rocksdb_pinnableslice_t *found = rocksdb_get_pinned_cf(db, reading, families[ITEMS],
		(const char *)key, ORDER_KEY, &error);
	const char *bytes;
	size_t len = 0;

	must(error, "get");
	if (!found)
		return false;
	bytes = rocksdb_pinnableslice_value(found, &len);
	if (len == ORDER_ITEM)
		memcpy(item, bytes, ORDER_ITEM);
	rocksdb_pinnableslice_destroy(found);
	return len == ORDER_ITEM;
}

static void append_change(const struct order *order)
{
	char key[CHANGE_KEY];
	uint8_t value[CHANGE_MAX];
	size_t old_len = get(order->key, value + CHANGE_HEAD) ? ORDER_ITEM : 0;

	change_set_key(key, ++sequence);
	change_set_head(value, old_len);
	memcpy(value + CHANGE_HEAD + old_len, order->item, ORDER_ITEM);
	rocksdb_writebatch_put_cf(batch, families[CHANGES], key, sizeof key, (const char *)value,
		CHANGE_HEAD + old_len + ORDER_ITEM);
}

static void put(const struct order *order)
{
	if (use == USE_CAPTURED)
		append_change(order);
	rocksdb_writebatch_put_cf(batch, families[ITEMS], (const char *)order->key, ORDER_KEY,
		(const char *)order->item, ORDER_ITEM);
}

static void flush(void)
{
	char *error = NULL;

	rocksdb_flush_wal(db, 1, &error);
	must(error, "flush");
}

static void settle(void)
{
	for (int i = 0; i < FAMILIES; i++)
		rocksdb_compact_range_cf(db, families[i], NULL, 0, NULL, 0);
}

/* Hides the rows; a later compaction, which is not measured, removes them. */
static uint64_t trim(uint64_t stay)
{
	uint64_t first = edge(rocksdb_iter_seek_to_first);
	uint64_t end = sequence + 1 > stay ? sequence + 1 - stay : 0;
	uint64_t gone = end > first ? end - first : 0;
	char from[CHANGE_KEY], to[CHANGE_KEY];

	for (uint64_t left = gone, rows; left > 0; left -= rows, first += rows) {
		rows = left < TRIM_BATCH ? left : TRIM_BATCH;
		change_set_key(from, first);
		change_set_key(to, first + rows);
		begin(rows);
		rocksdb_writebatch_delete_range_cf(batch, families[CHANGES], from, sizeof from,
			to, sizeof to);
		commit();
	}
	return gone;
}

/* --- reading --- */

static void start(bool behind_last)
{
	stop();
	sequence = behind_last ? edge(rocksdb_iter_seek_to_last) : 0;
}

static void step(void)
{
	char key[CHANGE_KEY];
	char *error = NULL;

	if (walk) {
		rocksdb_iter_next(walk);
		return;
	}
	if (use == USE_FOLLOW)
		rocksdb_try_catch_up_with_primary(db, &error);
	must(error, "catch up");
	change_set_key(key, sequence + 1);
	walk = rocksdb_create_iterator_cf(db, reading, families[CHANGES]);
	rocksdb_iter_seek(walk, key, sizeof key);
}

static bool next(struct change *change)
{
	const char *value;
	size_t len;

	step();
	if (!rocksdb_iter_valid(walk)) {
		stop();
		return false;
	}
	sequence = sequence_at(walk);
	value = rocksdb_iter_value(walk, &len);
	change_read(change, value, len);
	return true;
}

const struct peer peer = {
	.name = "rocksdb",
	.describe = describe,
	.open = open_db,
	.close = close_db,
	.begin = begin,
	.put = put,
	.commit = commit,
	.flush = flush,
	.settle = settle,
	.get = get,
	.start = start,
	.next = next,
	.trim = trim,
};
