// How the S3 imposter is made to behave like S3's relatives.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

namespace pailfs {

enum class S3Quirk : uint8_t {
  kIgnorePutConditions,
  kIgnoreVersionedPutConditions,  // only while versioning is enabled
  kIgnoreCompleteConditions,
  kIgnoreCopyConditions,  // on the destination
  kIgnoreCopySourceConditions,
  kIgnoreDeleteConditions,
  kUnquotedIfMatchOnly,  // PUT: an If-Match with quotes never holds
  kEmptyCompleteEtag,    // CompleteMultipartUpload answers without an ETag
  kNoBatchDelete,        // DeleteObjects: 501
  kNoChecksums,          // x-amz-checksum-* are neither verified nor stored
  kListMetadata,         // MinIO's metadata=true
  kRedirectWrongRegion,  // 301 where another region was signed for
  kHtmlErrors,           // error documents are HTML
  kHtmlAnswers,          // everything is answered 200 with an HTML page, as by a captive portal
  kWholeSecondTimes,     // in XML too
  kNoDate,               // no Date header
};

// What Ceph RGW 16.2 does.
inline constexpr std::initializer_list<S3Quirk> kRgwQuirks = {S3Quirk::kIgnoreVersionedPutConditions,
                                                              S3Quirk::kIgnoreCompleteConditions,
                                                              S3Quirk::kIgnoreCopyConditions,
                                                              S3Quirk::kIgnoreCopySourceConditions,
                                                              S3Quirk::kIgnoreDeleteConditions,
                                                              S3Quirk::kUnquotedIfMatchOnly,
                                                              S3Quirk::kEmptyCompleteEtag,
                                                              S3Quirk::kNoChecksums};

// "ignore-put-conditions" and so on, in the order of the enum.
const std::vector<std::string_view>& S3QuirkNames();
std::optional<S3Quirk> S3QuirkOf(std::string_view name);

// Thread-safe.
class S3Quirks {
 public:
  bool Has(S3Quirk quirk) const { return (bits_.load() & Bit(quirk)) != 0; }
  void Set(S3Quirk quirk, bool on) {
    if (on) {
      bits_ |= Bit(quirk);
    } else {
      bits_ &= ~Bit(quirk);
    }
  }

 private:
  static uint32_t Bit(S3Quirk quirk) { return uint32_t{1} << static_cast<int>(quirk); }

  std::atomic<uint32_t> bits_ = 0;
};

}  // namespace pailfs
