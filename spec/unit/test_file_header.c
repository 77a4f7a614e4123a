/* test_file_header.c - table/file_header.h: invalid file headers are refused, and sequence numbers
 * skip forward after a reboot if the file was written at a weaker durability level.
 */
#include "api/database.h"
#include "tide_consumer.h"
#include "unit/tides.h"

#define SKIP (UINT64_C(1) << 32)

static struct failure failure;
static const uint8_t file_header_key[] = { META_FILE_HEADER }, mark_key[] = { META_WEAK_BOOT },
	max_size_key[] = { META_MAX_SIZE };

static struct tide *open_at(const char *path, enum durability durability)
{
	struct tide_options options = weak_options(path);
	struct tide *tide;

	options.durability = durability;
	MUST(tide_open(&tide, &options, &failure), failure);
	return tide;
}

static uint64_t sequence_of(const char *path, enum durability durability)
{
	struct tide *tide = open_at(path, durability);
	struct tide_info info;

	MUST(tide_info(tide, &info, &failure), failure);
	tide_close(tide);
	return info.sequence;
}

/* Puts a row of meta, with a valid checksum if sealed; removes it if value is NULL. */
static void set_row(const char *path, struct slice key, const void *value, size_t len,
	bool sealed)
{
	struct tide *tide = open_at(path, DURABILITY_FULL);
	struct buffer row = { 0 };

	begin(tide);
	row_start(&row);
	buffer_put(&row, value, len);
	CHECK_EQUAL_INT(row_seal(&row, key), 0);
	if (!value)
		CHECK(txn_delete(tide->transaction.txn, TREE_META, key) >= 0);
	else
		CHECK_EQUAL_INT(txn_put(tide->transaction.txn, TREE_META, key, sealed ?
			buffer_slice(&row) : slice_of(value, len)), 0);
	tide->transaction.changed = true;
	commit(tide);
	buffer_release(&row);
	tide_close(tide);
}

static void numbers_skip(void)
{
	const char *path = tide_path("mark.tide");
	struct slice key = slice_of(mark_key, sizeof mark_key);
	uint8_t other_boot[BOOT_BYTES] = { 1 };
	uint64_t sequence = sequence_of(path, DURABILITY_FULL);

	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_NONE), sequence);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_NONE), sequence);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_FULL), sequence);
	set_row(path, key, other_boot, sizeof other_boot, true);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_NONE), sequence + SKIP);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_NONE), sequence + SKIP);
	set_row(path, key, other_boot, sizeof other_boot, true);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_FULL), sequence + 2 * SKIP);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_FULL), sequence + 2 * SKIP);
	set_row(path, key, "damaged", 7, false);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_ONE_FLUSH), sequence + 3 * SKIP);
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_ONE_FLUSH), sequence + 3 * SKIP);
}

static uint64_t max_size_of(const char *path, uint64_t wanted)
{
	struct tide_options options = weak_options(path);
	struct tide *tide;
	struct tide_info info;

	options.max_bytes = wanted;
	MUST(tide_open(&tide, &options, &failure), failure);
	MUST(tide_info(tide, &info, &failure), failure);
	tide_close(tide);
	return info.max_size;
}

/* A damaged row does not prevent opening: the default is used, and the next size repairs it. */
static void the_maximum_size_is_recorded(void)
{
	const char *path = tide_path("size.tide");
	struct slice key = slice_of(max_size_key, sizeof max_size_key);
	uint64_t mib = UINT64_C(1) << 20;

	CHECK_EQUAL_UINT(max_size_of(path, 40 * mib), 40 * mib);
	CHECK_EQUAL_UINT(max_size_of(path, 0), 40 * mib);
	CHECK_EQUAL_UINT(max_size_of(path, 50 * mib), 50 * mib);
	CHECK_EQUAL_UINT(max_size_of(path, 0), 50 * mib);
	set_row(path, key, "damaged", 7, false);
	CHECK_EQUAL_UINT(max_size_of(path, 0), UINT64_C(64) << 30);
	set_row(path, key, "too short", 7, true);
	CHECK_EQUAL_UINT(max_size_of(path, 0), UINT64_C(64) << 30);
	CHECK_EQUAL_UINT(max_size_of(path, 60 * mib), 60 * mib);
	CHECK_EQUAL_UINT(max_size_of(path, 0), 60 * mib);
}

static int try_open(const char *path)
{
	struct tide_options options = weak_options(path);
	struct tide *tide;
	int err;

	options.durability = DURABILITY_FULL;
	err = tide_open(&tide, &options, &failure);
	CHECK((err == 0) == (tide != NULL));
	CHECK(err == 0 || (failure.err == err && failure.message[0]));
	tide_close(tide);
	return err;
}

static void invalid_headers_are_refused(void)
{
	struct slice key = slice_of(file_header_key, sizeof file_header_key);
	const char *path = tide_path("short.tide");

	CHECK_EQUAL_INT(try_open(path), 0);
	set_row(path, key, "abc", 3, false);
	CHECK_EQUAL_INT(try_open(path), ERR_NOT_DATABASE);
	path = tide_path("none.tide");
	CHECK_EQUAL_INT(try_open(path), 0);
	set_row(path, key, NULL, 0, false);
	CHECK_EQUAL_INT(try_open(path), ERR_NOT_DATABASE);
	path = tide_path("cut.tide");
	CHECK_EQUAL_INT(try_open(path), 0);
	set_row(path, key, FILE_MAGIC "\0\1\0\1", 12, true);
	CHECK(try_open(path) < 0);
}

/* The boot is stored when the other writer has finished. */
static void hold_the_write_lock(struct child *parent, void *path)
{
	struct tide *tide = open_at(path, DURABILITY_FULL);

	begin(tide);
	child_tell(parent);
	usleep(100000);
	tide_abort(tide);
	tide_close(tide);
}

static void another_process_writes(void)
{
	char *path = strdup(tide_path("busy.tide"));
	struct child child;

	CHECK(path != NULL);
	sequence_of(path, DURABILITY_FULL);
	child = child_start(hold_the_write_lock, path);
	CHECK(child_hear(&child));
	CHECK_EQUAL_UINT(sequence_of(path, DURABILITY_NONE), 0);
	child_end(&child);
	free(path);
}

static uint64_t problems_at(const char *path)
{
	struct tide *tide = open_at(path, DURABILITY_FULL);
	uint64_t problems = problems_of(tide);

	tide_close(tide);
	return problems;
}

/* Ends an incarnation at this sequence number; a short one is damaged. One from "p" on is ended by
 * a promotion. */
static void end_incarnation(const char *path, uint64_t sequence, const char *id, bool is_short)
{
	struct tide *tide = open_at(path, DURABILITY_FULL);
	uint8_t bytes[FILE_ID_BYTES], key[9] = { CATALOG_INCARNATION };
	struct buffer row = { 0 };

	memset(bytes, id[0], sizeof bytes);
	begin(tide);
	MUST(incarnation_end(tide->transaction.txn, sequence, bytes, id[0] >= 'p'), failure);
	if (is_short) {
		set_u64(key + 1, sequence);
		row_start(&row);
		buffer_put(&row, bytes, 3);
		MUST(row_write(tide->transaction.txn, TREE_CATALOG, slice_of(key, sizeof key),
			&row), failure);
	}
	tide->transaction.changed = true;
	commit(tide);
	tide_close(tide);
}

/* Returns the first byte of the incarnation of a change, 0 if the incarnations are damaged. */
static int incarnation_at(const char *path, uint64_t sequence)
{
	struct tide *tide = open_at(path, DURABILITY_FULL);
	const uint8_t *id = incarnation_of(tide_identity(tide), sequence);
	int first = id ? id[0] : 0;

	CHECK(!id || memcmp(tide_identity(tide).data, tide->header.database_id,
		FILE_ID_BYTES) == 0);
	tide_close(tide);
	return first;
}

static void incarnations_end(void)
{
	const char *path = tide_path("ended.tide");
	struct tide *tide = open_at(path, DURABILITY_FULL);
	struct tide_table table = create_table(tide, "orders");
	int current = tide->header.incarnation[0];

	for (int i = 0; i < 300; i++)
		put_alone(tide, &table, "p", "s", i % 2 ? "1" : "2");
	tide_close(tide);
	CHECK_EQUAL_INT(incarnation_at(path, 1), current);
	end_incarnation(path, 270, "b", false);
	end_incarnation(path, 9, "a", false);
	end_incarnation(path, 9, "c", false);            /* it was noted before */
	CHECK_EQUAL_INT(incarnation_at(path, 1), 'a');
	CHECK_EQUAL_INT(incarnation_at(path, 9), 'a');
	CHECK_EQUAL_INT(incarnation_at(path, 10), 'b');
	CHECK_EQUAL_INT(incarnation_at(path, 270), 'b');
	CHECK_EQUAL_INT(incarnation_at(path, 271), current);
	CHECK_EQUAL_UINT(problems_at(path), 0);
	end_incarnation(path, 1000, "d", false);
	CHECK_EQUAL_UINT(problems_at(path), 1);
	end_incarnation(path, 5, "e", true);
	CHECK_EQUAL_UINT(problems_at(path), 2);
	CHECK_EQUAL_INT(incarnation_at(path, 1), 0);
}

/* Returns true if the present incarnation continues this one, which had reached a position. */
static bool continues(const char *path, const char *id, uint64_t position)
{
	struct tide *tide = open_at(path, DURABILITY_FULL);
	uint8_t bytes[FILE_ID_BYTES];
	struct read_view snapshot;
	bool does;

	memset(bytes, id[0], sizeof bytes);
	MUST(tide_read_begin(tide, &snapshot, &failure), failure);
	MUST(incarnation_continues(snapshot.txn, bytes, position, &does), failure);
	MUST(tide_read_end(tide, &snapshot, 0, &failure), failure);
	tide_close(tide);
	return does;
}

/* A promotion continues the incarnation before it, up to its last change; a copy does not. */
static void promotions_continue(void)
{
	const char *path = tide_path("promoted.tide");

	tide_close(open_at(path, DURABILITY_FULL));
	end_incarnation(path, 10, "c", false);
	end_incarnation(path, 20, "p", false);
	end_incarnation(path, 30, "q", false);
	CHECK(continues(path, "p", 0) == false);     /* the copy at 10 is between */
	CHECK(continues(path, "p", 11) && continues(path, "p", 20));
	CHECK(!continues(path, "p", 21));
	CHECK(continues(path, "q", 30) && !continues(path, "q", 31));
	CHECK(!continues(path, "c", 5) && !continues(path, "x", 15));
}

int main(void)
{
	incarnations_end();
	promotions_continue();
	numbers_skip();
	invalid_headers_are_refused();
	another_process_writes();
	the_maximum_size_is_recorded();
	return 0;
}
