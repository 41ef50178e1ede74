#include "store/index_keys.h"

#include "base/hash.h"
#include "base/kv_store.h"
#include "base/str.h"

namespace pailfs::store {
namespace {

constexpr char kEnvelopeFormat = 1;
constexpr size_t kCrcOffset = 4;
constexpr size_t kRestOffset = 8;
constexpr size_t kPayloadOffset = 16;

std::string BucketTable(char table, BucketId bucket) {
  std::string row(1, table);
  PutBig32(row, bucket);
  return row;
}

std::string NumberTable(char table, uint64_t number) {
  std::string row(1, table);
  PutBig64(row, number);
  return row;
}

}  // namespace

std::string EscapeKey(std::string_view key) {
  std::string escaped;
  escaped.reserve(key.size() + 2);
  for (const char c : key) {
    escaped.push_back(c);
    if (c == '\0') escaped.push_back('\xFF');
  }
  escaped.push_back('\0');
  escaped.push_back('\1');
  return escaped;
}

std::optional<std::pair<std::string, std::string_view>> UnescapeKey(std::string_view data) {
  std::string key;
  for (size_t i = 0; i < data.size(); ++i) {
    if (data[i] != '\0') {
      key.push_back(data[i]);
      continue;
    }
    if (++i == data.size()) return std::nullopt;
    if (data[i] == '\1') return std::pair(std::move(key), data.substr(i + 1));
    if (data[i] != '\xFF') return std::nullopt;
    key.push_back('\0');
  }
  return std::nullopt;
}

std::string AppliedRow() {
  return "Mapplied";
}
std::string CountsRow(BucketId bucket) {
  std::string row = "Mcounts";
  PutBig32(row, bucket);
  return row;
}
std::string BucketNameRow(std::string_view name) {
  return StrCat('b', name);
}
std::string CurrentPrefix(BucketId bucket) {
  return BucketTable('C', bucket);
}
std::string CurrentRow(BucketId bucket, std::string_view key) {
  return CurrentPrefix(bucket) + EscapeKey(key);
}
std::string VersionPrefix(BucketId bucket) {
  return BucketTable('V', bucket);
}
std::string VersionsOfRow(BucketId bucket, std::string_view key) {
  return VersionPrefix(bucket) + EscapeKey(key);
}
std::string VersionRow(BucketId bucket, std::string_view key, uint64_t seq) {
  std::string row = VersionsOfRow(bucket, key);
  PutBig64(row, ~seq);
  return row;
}
std::string NullRow(BucketId bucket, std::string_view key) {
  return BucketTable('N', bucket) + EscapeKey(key);
}
std::string BodyRow(BodyId body) {
  return NumberTable('B', body);
}
std::string ReferencesOfRow(BodyId body) {
  return NumberTable('R', body);
}
std::string VersionReferenceRow(BodyId body, BucketId bucket, std::string_view key, uint64_t seq) {
  std::string row = ReferencesOfRow(body);
  row.push_back('v');
  PutBig32(row, bucket);
  row.append(EscapeKey(key));
  PutBig64(row, seq);
  return row;
}
std::string BodyReferenceRow(BodyId body, BodyId composite) {
  std::string row = ReferencesOfRow(body);
  row.push_back('b');
  PutBig64(row, composite);
  return row;
}
std::string UploadPrefix(BucketId bucket) {
  return BucketTable('U', bucket);
}
std::string UploadRow(BucketId bucket, std::string_view key, uint64_t upload) {
  std::string row = UploadPrefix(bucket) + EscapeKey(key);
  PutBig64(row, upload);
  return row;
}
std::string PartsOfRow(uint64_t upload) {
  return NumberTable('P', upload);
}
std::string PartRow(uint64_t upload, uint32_t part) {
  std::string row = PartsOfRow(upload);
  PutBig32(row, part);
  return row;
}
std::string GarbageRow(uint64_t seq, BodyId body) {
  std::string row = NumberTable('G', seq);
  PutBig64(row, body);
  return row;
}

std::string SealValue(std::string_view row, uint64_t row_seq, std::string_view payload) {
  std::string rest;
  PutBig64(rest, row_seq);
  rest.append(payload);
  std::string value{kEnvelopeFormat, 0, 0, 0};
  PutBig32(value, Crc32c(rest, Crc32c(row)));
  return value + rest;
}

Result<OpenedValue> OpenValue(std::string_view row, std::string_view value) {
  if (value.size() < kPayloadOffset || value[0] != kEnvelopeFormat ||
      GetBig32(value.substr(kCrcOffset)) != Crc32c(value.substr(kRestOffset), Crc32c(row))) {
    return Error{Errc::kCorrupt, StrCat("a row of the store's index is damaged (table ", row.substr(0, 1),
                                        "); run 'pailfs store check' on the store")};
  }
  return OpenedValue{GetBig64(value.substr(kRestOffset)), value.substr(kPayloadOffset)};
}

}  // namespace pailfs::store
