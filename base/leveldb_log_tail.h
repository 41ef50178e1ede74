// Where the intact part of a LevelDB log (a `.log` or a MANIFEST) ends.
//
// A power loss leaves some of the bytes after the last sync and zeros for the rest, or cuts the file, and that is no
// damage: the records before the first gap are the database. LevelDB, told to be paranoid, would refuse such a log; not
// told to, it would skip the gap and apply what comes after it. So it is shown the log up to the first gap. Bytes that
// are wrong in any other way are damage.
//
// Format: https://github.com/google/leveldb/blob/main/doc/log_format.md
#pragma once

#include <cstdint>

#include "base/file_system.h"

namespace pailfs {

// The size of the file, or where the first record begins that a power loss tore. Errors: kCorrupt with the position of
// the damage; those of reading.
Result<uint64_t> IntactLogBytes(File& file);

}  // namespace pailfs
