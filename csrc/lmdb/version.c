/* version.c - checks the version of the LMDB library that the process has loaded.
 *
 * The loaded version may differ from the version of lmdb.h, because the library may have been
 * upgraded, and LD_LIBRARY_PATH or the program may load another one. Versions 0.9.24 to 0.9.69 are
 * interchangeable. LMDB 1.0 has the same function names but another file format
 * (lmdb_file/layout.h), so it would write files that this library cannot read.
 */
#include "lmdb/internal.h"

int lmdb_version_check(struct failure *failure)
{
	int major = 0, minor = 0, patch = 0;

	mdb_version(&major, &minor, &patch);
	if (major == 0 && minor == 9 && patch >= LMDB_OLDEST_PATCH &&
			patch < LMDB_NEXT_FORMAT_PATCH)
		return 0;
	if (major == 0 && (minor < 9 || (minor == 9 && patch < LMDB_OLDEST_PATCH)))
		return fail_as(failure, ERR_STORE, "the LMDB library that was loaded is version"
			" %d.%d.%d: 0.9.%d or later is needed", major, minor, patch,
			LMDB_OLDEST_PATCH);
	return fail_as(failure, ERR_STORE, "the LMDB library that was loaded is version %d.%d.%d:"
		" its file format is that of LMDB 1.0, and tidetable was built for LMDB"
		" %d.%d.%d; install liblmdb 0.9, or set LD_LIBRARY_PATH to its directory",
		major, minor, patch, MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
}
