/* fault_store.c - functions of store.h whose memory requests fail, each request once, alone or
 * with all later ones. */
#include "base/memory.h"
#include "lmdb/cursor.h"
#include "os/clock.h"
#include "unit/files.h"
#include "unit/stores.h"

static struct failure failure;

static int use_all(const struct store_options *options)
{
	struct store *store = NULL;
	struct txn *reader = NULL, *writer = NULL;
	struct cursor *cursor = NULL;
	struct wakeup *wakeup = NULL;
	struct slice row = slice_of_text("row");
	int err = store_open(&store, options, &failure);

	if (err)
		return err;
	err = reader_open(&reader, store, &failure);
	if (!err)
		err = reader_renew(reader, &failure);
	if (!err)
		err = cursor_open(&cursor, reader, TREE_LOG);
	if (!err)
		err = wakeup_open(&wakeup, store_shared_page(store), WAKEUP_COMMITS, &failure);
	CHECK_EQUAL_INT(write_lock_try(store_shared_page(store)), 0);
	if (!err)
		err = writer_begin(&writer, store, &failure);
	if (!err)
		err = txn_put(writer, TREE_META, row, row);
	if (!err)
		err = writer_commit(&writer, &failure);
	write_lock_release(store_shared_page(store));
	wakeup_close(wakeup);
	cursor_close(cursor);
	reader_close(reader);
	store_close(store);
	return err;
}

static void each_request_may_fail(const struct store_options *options,
	void (*refuse_after)(long requests))
{
	int descriptors = count_descriptors();
	long allowed = 0;
	int err;

	do {
		refuse_after(allowed++);
		err = use_all(options);
		refuse_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : 0);
		CHECK_EQUAL_INT(count_descriptors(), descriptors);
	} while (err);
	CHECK(allowed > 4);
	CHECK_EQUAL_INT(use_all(options), 0);
}

static void each_kind_of_store_may_fail(const char *path, void (*refuse_after)(long requests))
{
	struct store_options options = small_options(path);

	each_request_may_fail(&options, refuse_after);      /* made, */
	each_request_may_fail(&options, refuse_after);      /* opened, */
	options = (struct store_options){ .in_memory = true, .max_bytes = SMALL_MAX_BYTES };
	each_request_may_fail(&options, refuse_after);      /* in memory */
}

static void a_clock_may_find_no_memory(void)
{
	memory_fail_after(0);
	CHECK(clock_manual(1) == NULL);
	memory_fail_after(-1);
}

int main(void)
{
	each_kind_of_store_may_fail(store_path("all.tide"), memory_fail_after);
	each_kind_of_store_may_fail(store_path("once.tide"), memory_fail_once_after);
	a_clock_may_find_no_memory();
	return 0;
}
