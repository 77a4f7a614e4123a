/* shares.c - the bytes of a file: those of an item, of a record, and LMDB's own.
 *
 *     shares FILE     prints lines: name, bytes of an item, bytes of a record
 *
 * Rows are counted one by one, pages are those that LMDB reports. Bytes are averages per
 * item or per record; the last line has the other bytes of the file, per item.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "codec/record.h"
#include "codec/row.h"
#include "lib/program.h"

#define TREES_MAX 8

/* Sizes in LMDB 0.9: page header, node header, offset of a node. */
#define PAGE_HEAD 16
#define NODE_HEAD 8
#define NODE_PLACE 2

enum tree { ITEMS, LOG, TREES };

struct share {
	uint64_t rows;
	uint64_t keys, values;           /* bytes, */
	uint64_t heads, attributes;      /* bytes before items, and of the keys of records */
	uint64_t odd;                    /* padding: nodes start at even offsets */
	uint64_t leaves, others;         /* pages */
};

static void must(int rc, const char *what)
{
	if (rc)
		die(what, mdb_strerror(rc));
}

static void count_row(struct share *share, enum tree tree, const MDB_val *key,
	const MDB_val *value)
{
	struct record_place place;
	struct record record;
	struct slice payload;

	share->rows++;
	share->keys += key->mv_size;
	share->values += value->mv_size;
	share->odd += (key->mv_size + value->mv_size) & 1;
	if (tree == ITEMS) {
		share->heads += 1u + (((const uint8_t *)value->mv_data)[ROW_CHECKSUM] >> 4);
		return;
	}
	payload = slice_of((const uint8_t *)value->mv_data + ROW_CHECKSUM,
		value->mv_size - ROW_CHECKSUM);
	if (!record_get_key(&place, slice_of(key->mv_data, key->mv_size)) ||
			record_get_header(&record, place.sequence, payload) ||
			record_len(&record) != payload.len)
		die("log", "a record of several rows, or none");
	share->heads += record.header_len;
	share->attributes += record.keys.len;
}

static void count_tree(struct share *share, enum tree tree, MDB_txn *txn, const char *name)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat;
	MDB_dbi dbi;

	must(mdb_dbi_open(txn, name, 0, &dbi), name);
	must(mdb_stat(txn, dbi, &stat), name);
	must(mdb_cursor_open(txn, dbi, &cursor), name);
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
		count_row(share, tree, &key, &value);
	mdb_cursor_close(cursor);
	if (!share->rows)
		die(name, "there are no rows");
	share->leaves = stat.ms_leaf_pages;
	share->others = stat.ms_branch_pages + stat.ms_overflow_pages;
}

/* --- the lines --- */

static double each(uint64_t bytes, const struct share *share)
{
	return (double)bytes / (double)share->rows;
}

static void line(const char *what, const struct share *shares, const uint64_t bytes[TREES])
{
	printf("%s\t%.1f\t%.1f\n", what, each(bytes[ITEMS], &shares[ITEMS]),
		each(bytes[LOG], &shares[LOG]));
}

static void print_rows(const struct share *shares)
{
	const struct share *items = &shares[ITEMS], *log = &shares[LOG];
	uint64_t item_rest = items->rows * ROW_CHECKSUM + items->heads;
	uint64_t record_rest = log->rows * ROW_CHECKSUM + log->heads + log->attributes;

	line("key", shares, (uint64_t[]){ items->keys, log->keys });
	line("checksum", shares, (uint64_t[]){ items->rows * ROW_CHECKSUM,
		log->rows * ROW_CHECKSUM });
	line("head", shares, (uint64_t[]){ items->heads, log->heads });
	line("key attributes", shares, (uint64_t[]){ 0, log->attributes });
	line("item, images", shares, (uint64_t[]){ items->values - item_rest,
		log->values - record_rest });
}

/* Bytes of leaf pages that are not used by a node. */
static uint64_t unfilled(const struct share *share, uint64_t page_bytes)
{
	uint64_t nodes = share->keys + share->values + share->odd +
		share->rows * (NODE_HEAD + NODE_PLACE);

	return share->leaves * (page_bytes - PAGE_HEAD) - nodes;
}

static void print_pages(const struct share *shares, uint64_t page_bytes)
{
	uint64_t nodes[TREES], heads[TREES], empty[TREES], others[TREES], all[TREES];

	for (int i = 0; i < TREES; i++) {
		const struct share *share = &shares[i];

		nodes[i] = share->rows * (NODE_HEAD + NODE_PLACE) + share->odd;
		heads[i] = share->leaves * PAGE_HEAD;
		empty[i] = unfilled(share, page_bytes);
		others[i] = share->others * page_bytes;
		all[i] = (share->leaves + share->others) * page_bytes;
	}
	line("LMDB's node", shares, nodes);
	line("LMDB's page head", shares, heads);
	line("rest of a page, too short for a row", shares, empty);
	line("branch pages", shares, others);
	line("together", shares, all);
}

static void print_rest(const char *path, const struct share *shares, uint64_t page_bytes)
{
	uint64_t pages = 0;
	struct stat file;

	if (stat(path, &file))
		die(path, strerror(errno));
	for (int i = 0; i < TREES; i++)
		pages += shares[i].leaves + shares[i].others;
	printf("free pages, and what is the file's\t%.1f\t-\n",
		each((uint64_t)file.st_size - pages * page_bytes, &shares[ITEMS]));
}

int main(int count, char **arg)
{
	struct share shares[TREES] = { 0 };
	const char *path = arg[1];
	MDB_stat stat;
	MDB_env *env;
	MDB_txn *txn;

	if (count != 2)
		die("usage", "see the head of bench/shares.c");
	must(mdb_env_create(&env), path);
	must(mdb_env_set_maxdbs(env, TREES_MAX), path);
	must(mdb_env_open(env, path, MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR, 0), path);
	must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), path);
	count_tree(&shares[ITEMS], ITEMS, txn, "items");
	count_tree(&shares[LOG], LOG, txn, "log");
	must(mdb_env_stat(env, &stat), path);
	print_rows(shares);
	print_pages(shares, stat.ms_psize);
	print_rest(path, shares, stat.ms_psize);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return 0;
}
