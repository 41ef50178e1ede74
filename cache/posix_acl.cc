#include "cache/posix_acl.h"

#include <sys/stat.h>

#include <vector>

namespace pailfs::cache {
namespace {

constexpr uint32_t kVersion = 2;
constexpr size_t kHeaderBytes = 4;
constexpr size_t kEntryBytes = 8;

enum Tag : uint16_t {
  kUserObject = 0x01,
  kUser = 0x02,
  kGroupObject = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20,
};

struct Entry {
  uint16_t tag = 0;
  uint16_t permissions = 0;
  uint32_t id = 0;
};

uint32_t GetLittle(std::string_view data, size_t at, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < bytes; ++i) value |= static_cast<uint32_t>(static_cast<uint8_t>(data[at + i])) << (8 * i);
  return value;
}

void PutLittle(std::string& out, uint32_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::string Serialize(const std::vector<Entry>& entries) {
  std::string acl;
  PutLittle(acl, kVersion, 4);
  for (const Entry& entry : entries) {
    PutLittle(acl, entry.tag, 2);
    PutLittle(acl, entry.permissions, 2);
    PutLittle(acl, entry.id, 4);
  }
  return acl;
}

// The order and number of tags, and ids where there must be one, as the kernel's posix_acl_valid demands.
bool IsWellFormed(const std::vector<Entry>& entries) {
  int owners = 0;
  int groups = 0;
  int masks = 0;
  int others = 0;
  bool named = false;
  uint16_t last = 0;
  for (const Entry& entry : entries) {
    if ((entry.permissions & ~7) != 0 || entry.tag < last) return false;
    last = entry.tag;
    switch (entry.tag) {
      case kUserObject:
        ++owners;
        break;
      case kGroupObject:
        ++groups;
        break;
      case kMask:
        ++masks;
        break;
      case kOther:
        ++others;
        break;
      case kUser:
      case kGroup:
        if (entry.id == UINT32_MAX) return false;
        named = true;
        break;
      default:
        return false;
    }
  }
  return owners == 1 && groups == 1 && others == 1 && masks <= 1 && (!named || masks == 1);
}

Result<std::vector<Entry>> Parse(std::string_view acl) {
  const Error bad{Errc::kInvalidArgument, "not a valid access control list"};
  if (acl.size() < kHeaderBytes || (acl.size() - kHeaderBytes) % kEntryBytes != 0 || GetLittle(acl, 0, 4) != kVersion) {
    return bad;
  }
  std::vector<Entry> entries;
  for (size_t at = kHeaderBytes; at < acl.size(); at += kEntryBytes) {
    entries.push_back({static_cast<uint16_t>(GetLittle(acl, at, 2)), static_cast<uint16_t>(GetLittle(acl, at + 2, 2)),
                       GetLittle(acl, at + 4, 4)});
  }
  if (!IsWellFormed(entries)) return bad;
  return entries;
}

Entry* Find(std::vector<Entry>& entries, uint16_t tag) {
  for (Entry& entry : entries) {
    if (entry.tag == tag) return &entry;
  }
  return nullptr;
}

// The entry that the group bits of the mode stand for.
Entry& GroupClass(std::vector<Entry>& entries) {
  Entry* mask = Find(entries, kMask);
  return mask != nullptr ? *mask : *Find(entries, kGroupObject);
}

uint32_t ModeBits(std::vector<Entry>& entries) {
  return static_cast<uint32_t>(Find(entries, kUserObject)->permissions) << 6 |
         static_cast<uint32_t>(GroupClass(entries).permissions) << 3 | Find(entries, kOther)->permissions;
}

bool IsMinimal(const std::vector<Entry>& entries) {
  return entries.size() == 3;
}

}  // namespace

Status ValidateAcl(std::string_view acl) {
  const auto parsed = Parse(acl);
  if (!parsed.ok()) return parsed.error();
  return {};
}

Result<AccessAcl> ModeFromAcl(std::string_view acl, uint32_t mode) {
  ASSIGN_OR_RETURN(auto entries, Parse(acl));
  return AccessAcl{(mode & ~0777U) | ModeBits(entries), IsMinimal(entries) ? "" : std::string(acl)};
}

Result<std::string> ApplyChmodToAcl(std::string_view acl, uint32_t mode) {
  ASSIGN_OR_RETURN(auto entries, Parse(acl));
  Find(entries, kUserObject)->permissions = static_cast<uint16_t>(mode >> 6 & 7);
  GroupClass(entries).permissions = static_cast<uint16_t>(mode >> 3 & 7);
  Find(entries, kOther)->permissions = static_cast<uint16_t>(mode & 7);
  return Serialize(entries);
}

Result<InheritedAcl> InheritAcl(std::string_view default_acl, uint32_t mode, bool is_directory) {
  ASSIGN_OR_RETURN(auto entries, Parse(default_acl));
  if (S_ISLNK(mode)) return InheritedAcl{mode, "", ""};
  Find(entries, kUserObject)->permissions &= static_cast<uint16_t>(mode >> 6 & 7);
  GroupClass(entries).permissions &= static_cast<uint16_t>(mode >> 3 & 7);
  Find(entries, kOther)->permissions &= static_cast<uint16_t>(mode & 7);
  InheritedAcl inherited;
  inherited.mode = (mode & ~0777U) | ModeBits(entries);
  if (!IsMinimal(entries)) inherited.access = Serialize(entries);
  if (is_directory) inherited.default_acl = std::string(default_acl);
  return inherited;
}

}  // namespace pailfs::cache
