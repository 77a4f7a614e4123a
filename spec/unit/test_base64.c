/* test_base64.c - tests of codec/base64.h. */
#include "codec/base64.h"

#include "unit/check.h"

#define ROUNDS 3000
#define BYTES_MAX 40

static void check_text(const char *bytes, const char *text)
{
	uint8_t out[64];
	size_t len;

	CHECK_EQUAL_UINT(base64_length(strlen(bytes)), strlen(text));
	len = (size_t)(base64_encode(out, slice_of_text(bytes)) - out);
	CHECK_BYTES(out, len, text, strlen(text));
	CHECK(base64_decode(out, slice_of_text(text), &len));
	CHECK_BYTES(out, len, bytes, strlen(bytes));
}

/* The test vectors of RFC 4648, section 10. */
static void test_vectors(void)
{
	check_text("", "");
	check_text("f", "Zg==");
	check_text("fo", "Zm8=");
	check_text("foo", "Zm9v");
	check_text("foob", "Zm9vYg==");
	check_text("fooba", "Zm9vYmE=");
	check_text("foobar", "Zm9vYmFy");
}

static void test_refusals(void)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9vYg", "====", "Z===", "Zg=a", "=g==",
		"Z g=", "Zm9-", "Zm9_", "Zg==Zg==", "Zm9v\n", "\xc3\xa9==", "A=A=",
	};
	uint8_t out[64];
	size_t len;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!base64_decode(out, slice_of_text(bad[i]), &len));
}

/* Any bytes are read back, also in place; a text that decodes is the text of its bytes. */
static void test_random(void)
{
	uint8_t bytes[BYTES_MAX], text[BYTES_MAX * 2], out[BYTES_MAX * 2], again[BYTES_MAX * 2];

	for (uint64_t round = check_runs(ROUNDS); round > 0; round--) {
		size_t count = check_random_below(BYTES_MAX), len, out_len;

		check_random_bytes(bytes, count);
		len = (size_t)(base64_encode(text, slice_of(bytes, count)) - text);
		CHECK_EQUAL_UINT(len, base64_length(count));
		memcpy(out, text, len);
		CHECK(base64_decode(out, slice_of(out, len), &out_len));
		CHECK_BYTES(out, out_len, bytes, count);
		if (len == 0)
			continue;
		text[check_random_below(len)] =
			(uint8_t)"AZaz09+/=-_ "[check_random_below(12)];
		if (!base64_decode(out, slice_of(text, len), &out_len))
			continue;
		count = (size_t)(base64_encode(again, slice_of(out, out_len)) - again);
		CHECK_BYTES(again, count, text, len);
	}
}

int main(void)
{
	test_vectors();
	test_refusals();
	test_random();
	return 0;
}
