/* fuzz.h - the interface of a fuzzer.
 *
 * A fuzzer takes any bytes and checks a property of a decoder, for example that the bytes are
 * CORRUPT or encode to the same bytes after they were decoded. If random bytes would rarely pass
 * the decoder's first checks, they instead describe how to build its input.
 *
 * fuzz_seed creates valid inputs for mutation, with the encoders. Inputs that once
 * failed are in spec/fuzz/corpus/NAME.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/buffer.h"
#include "base/error.h"
#include "unit/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends the n-th valid input. Returns false if there is none. */
bool fuzz_seed(unsigned n, struct buffer *out);

static inline int fuzz_sign(int order)
{
	return (order > 0) - (order < 0);
}

/* Returns true on success. A decoder may return only 0 or CORRUPT. */
static inline bool fuzz_decoded(int err)
{
	CHECK(err == 0 || err == ERR_CORRUPT);
	return err == 0;
}

#endif
