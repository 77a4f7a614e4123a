/* fault_builder.c - each allocation of a builder fails, alone or with all later ones. */
#include "base/error.h"
#include "base/memory.h"
#include "codec/builder.h"
#include "unit/check.h"
#include "unit/document.h"

/* Writes an item that is unsorted and long enough that the builder must grow its bytes, its
 * entries and both scratch buffers. */
static int build_many(struct builder *builder, struct slice *item)
{
	char name[16];
	int i;

	builder_start(builder);
	for (i = 200; i > 0; i--) {
		snprintf(name, sizeof name, "name%d", i);
		builder_name(builder, slice_of_text(name));
		builder_open(builder, TYPE_L);
		builder_null(builder);
		builder_close(builder);
	}
	return builder_finish(builder, item);
}

static void fail_each(int (*build)(struct builder *, struct slice *),
	void (*refuse_after)(long requests))
{
	struct builder builder = { 0 };
	struct slice item;
	long allowed = 0;
	int err;

	do {
		refuse_after(allowed++);
		err = build(&builder, &item);
		refuse_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : 0);
		CHECK(err == 0 || item.len == 0);
		/* the builder works again when there is memory */
		CHECK_EQUAL_INT(build(&builder, &item), 0);
		CHECK_EQUAL_INT(map_check(item), 0);
		builder_release(&builder);
	} while (err);
	CHECK(allowed > 2);
}

static struct document document;

static int build_document(struct builder *builder, struct slice *item)
{
	return document_build(builder, &document, item);
}

int main(void)
{
	int round;

	fail_each(build_many, memory_fail_after);
	fail_each(build_many, memory_fail_once_after);
	for (round = 0; round < 20; round++) {
		do {
			document_random(&document);
		} while (document.item->count < 3);
		document_shuffle(&document);
		fail_each(build_document, memory_fail_after);
		fail_each(build_document, memory_fail_once_after);
	}
	return 0;
}
