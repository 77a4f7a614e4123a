/* test_parked.c - codec/parked.h: keys and copies of parked records. */
#include "codec/parked.h"

#include "base/error.h"
#include "codec/consumer.h"
#include "unit/check.h"

/* Bytes that are not a copy are CORRUPT. */
static void test_decoding(void)
{
	struct parked_place place = { 1, 2, { 3 }, 4 }, other;
	struct buffer bytes = { 0 };
	struct parked_copy copy = { .stream = 1, .record = slice_of_text("record...") };
	uint8_t key[PARKED_KEY];
	char error[PARKED_ERROR_MAX + 2];
	uint16_t part;

	CHECK_EQUAL_UINT(parked_set_key(key, CONSUMER_PARKED, &place, 5), PARKED_KEY);
	CHECK(parked_get_key(&other, &part, slice_of(key, PARKED_KEY)));
	CHECK_EQUAL_INT(part, 5);
	CHECK(other.consumer == 1 && other.table == 2 && other.hash[0] == 3 && other.sequence == 4);
	CHECK(!parked_get_key(&other, &part, slice_of(key, PARKED_MARK_KEY)));
	CHECK(!parked_get_key(&other, &part, slice_of(key, 0)));
	memset(error, 'e', sizeof error);
	memcpy(error + PARKED_ERROR_MAX - 1, "\xc3\xa4", 2);
	copy.error = slice_of(error, sizeof error);
	parked_put(&bytes, &copy);
	CHECK_EQUAL_INT(buffer_error(&bytes), 0);
	CHECK_EQUAL_INT(parked_get(&copy, buffer_slice(&bytes)), ERR_CORRUPT);   /* no stream row */
	CHECK_EQUAL_UINT(copy.error.len, PARKED_ERROR_MAX - 1);
	for (size_t len = 0; len < bytes.len; len++)
		CHECK_EQUAL_INT(parked_get(&copy, slice_of(bytes.data, len)), ERR_CORRUPT);
	buffer_release(&bytes);
}

int main(void)
{
	test_decoding();
	return 0;
}
