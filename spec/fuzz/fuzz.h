/* fuzz.h - what a fuzzer is made of.
 *
 * A fuzzer takes any bytes and checks a property of what reads them: they decode
 * and encode to the same bytes, or they are CORRUPT. Where a decoder asks for
 * more shape than noise has, the bytes say how to make what it reads.
 *
 * fuzz_seed makes the sound inputs that mutations start from, with the encoders
 * themselves; what once broke something is kept in spec/fuzz/corpus/NAME.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include "base/buffer.h"
#include "base/error.h"
#include "unit/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends the n-th sound input; false when there is none. */
bool fuzz_seed(unsigned n, struct buffer *out);

static inline int fuzz_sign(int order)
{
	return (order > 0) - (order < 0);
}

/* 0 or CORRUPT is all that a decoder may say. */
static inline bool fuzz_decoded(int err)
{
	CHECK(err == 0 || err == ERR_CORRUPT);
	return err == 0;
}

#endif
