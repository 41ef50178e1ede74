// One inode in memory.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "cache/block_map.h"
#include "cache/content_gate.h"
#include "cache/freshness.h"
#include "cache/inode_record.h"
#include "cache/readahead.h"

namespace pailfs::cache {

// The cache file of an inode and what is known of its blocks. Changed by the holder of the gate (exclusively, or shared
// for fills, which touch absent blocks only); `mu` keeps the members themselves consistent.
struct InodeContent {
  Mutex mu;
  CondVar fill_ended;
  std::shared_ptr<File> file GUARDED_BY(mu);  // null: closed, or there is none
  bool exists GUARDED_BY(mu) = false;         // the cache file is on disk (known once `loaded`)
  bool loaded GUARDED_BY(mu) = false;         // `exists`, `blocks`, `allocated_bytes` are read from disk
  bool name_synced GUARDED_BY(mu) = false;    // its directory entry is durable
  BlockMap blocks GUARDED_BY(mu);
  uint64_t allocated_bytes GUARDED_BY(mu) = 0;
  std::vector<ByteRange> filling GUARDED_BY(mu);
  Readahead readahead GUARDED_BY(mu);
};

// Lock order: content_gate -> Core::mu -> content.mu.
struct Inode {
  explicit Inode(InodeRecord r, bool meta) : ino(r.ino), record(std::move(r)), in_meta(meta) {}

  const Ino ino;

  // --- synchronise themselves ---
  ContentGate gate;
  InodeContent content;

  // --- guarded by Core::mu ---
  InodeRecord record;
  bool in_meta;        // its rows are in meta/, otherwise in listing/
  bool freed = false;  // its rows are gone; only a holder of the pointer still sees it
  uint32_t opens = 0;
  uint32_t write_opens = 0;
  uint32_t directory_opens = 0;
  uint64_t attribute_generation = 0;

  // Write-back.
  bool queued = false;
  bool stepping = false;       // a step of it is under way
  bool urgent = false;         // somebody waits for it
  bool as_recovered = false;   // unchanged since a power loss: the bucket may be ahead of it
  bool must_evacuate = false;  // its origin's key is wanted by another inode
  int64_t due_ns = 0;
  int64_t dirty_since_ns = 0;
  int64_t last_change_ns = 0;
  uint64_t dirty_order = 0;  // 0: nothing to write back
  int failures = 0;          // in a row
  int64_t retry_ns = 0;      // not before, after a failure
  int aborted_uploads = 0;
  // What the last step sent carried. UINT64_MAX when that is not known any more, after a crash: anything may have
  // changed since.
  uint64_t sent_content_generation = UINT64_MAX;
  uint64_t sent_attribute_generation = UINT64_MAX;
  int64_t sent_ns = 0;                // until when the answer to the last step was waited for
  bool asked_in_vain = false;         // nothing was found of it, but it may still arrive
  std::optional<Error> unseen_error;  // to be returned once, by close or fsync
  std::optional<Error> last_error;
  std::optional<std::pair<Ino, std::string>> stale_name;  // parent and name that the kernel must forget
  std::optional<std::string> replaces_etag;               // an older upload of ours that may be overwritten

  bool asking_details = false;  // a Head for its attributes is under way

  // Directories.
  bool known = false;  // all entries are in the databases
  bool loading = false;
  bool many = false;           // more entries than one page of a listing has
  uint32_t probes = 0;         // single lookups that had to ask the bucket
  uint32_t detail_misses = 0;  // lookups of entries whose attributes were not known
  Freshness freshness;
  uint32_t dirty_children = 0;
  uint32_t meta_children = 0;  // children whose rows are in meta
  Ino counted_in = 0;          // the parent whose dirty_children counts this inode; 0: none

  // Least recently used order of the table.
  std::list<Ino>::iterator recency;
};

using InodePtr = std::shared_ptr<Inode>;  // shared by the table, calls under way and steps

}  // namespace pailfs::cache
