/* fault_buffer.c - a buffer keeps the error of its first failed allocation until the caller checks
 * it. */
#include "base/buffer.h"

#include "base/error.h"
#include "base/memory.h"
#include "check.h"

#define WORDS 2000

static int encode(struct buffer *buffer)
{
	uint64_t i;

	for (i = 0; i < WORDS; i++) {
		buffer_put_u64(buffer, i);
		buffer_put_varint(buffer, i);
		buffer_put_counted(buffer, slice_of_text("word"));
	}
	return buffer_error(buffer);
}

static void check_words(struct slice bytes)
{
	struct source source = source_of(bytes);
	uint64_t i;

	for (i = 0; i < WORDS; i++) {
		CHECK_EQUAL_UINT(source_u64(&source), i);
		CHECK_EQUAL_UINT(source_varint(&source), i);
		CHECK(slice_equal(source_counted(&source), slice_of_text("word")));
	}
	CHECK_EQUAL_INT(source_finish(&source), 0);
}

static void each_request_may_fail(void (*refuse_after)(long requests))
{
	struct buffer buffer = { 0 };
	long allowed = 0;
	int err;

	do {
		buffer_release(&buffer);
		refuse_after(allowed++);
		err = encode(&buffer);
		refuse_after(-1);
		CHECK_EQUAL_INT(err, memory_was_refused() ? ERR_NO_MEMORY : 0);
	} while (err);
	CHECK(allowed > 5);
	check_words(buffer_slice(&buffer));
	buffer_release(&buffer);
}

int main(void)
{
	each_request_may_fail(memory_fail_after);
	each_request_may_fail(memory_fail_once_after);
	return 0;
}
