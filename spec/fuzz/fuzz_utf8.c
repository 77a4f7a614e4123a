/* fuzz_utf8.c - is_utf8, which reads a word at a time, compared with a decoder
 * by characters. */
#include "codec/value.h"
#include "fuzz/fuzz.h"

/* Decodes the first code point of a text, and then checks that its encoding is the shortest one.
 * Returns its width, or 0 if it is invalid. */
static size_t decode(struct slice text)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t lead = text.data[0];
	size_t width = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 :
		lead >> 3 == 30 ? 4 : 0;
	uint32_t code;

	if (width < 2)
		return width;
	if (width > text.len)
		return 0;
	code = lead & (0x7fu >> width);
	for (size_t i = 1; i < width; i++) {
		if (text.data[i] >> 6 != 2)
			return 0;
		code = code << 6 | (text.data[i] & 0x3f);
	}
	if (code < least[width] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return width;
}

static bool is_right(struct slice text)
{
	while (text.len) {
		size_t width = decode(text);

		if (width == 0)
			return false;
		text = slice_of(text.data + width, text.len - width);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CHECK(is_utf8(slice_of(data, size)) == is_right(slice_of(data, size)));
	return 0;
}

bool fuzz_seed(unsigned n, struct buffer *out)
{
	static const char *const texts[] = {
		"", "plain", "eight by", "a little longer than two words of eight",
		"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
		"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
		"caf\xc3\xa9 \xe6\xb0\xb4 \xf0\x9f\x8c\x8a tide",
	};

	if (n >= sizeof texts / sizeof *texts)
		return false;
	buffer_put_slice(out, slice_of_text(texts[n]));
	return true;
}
