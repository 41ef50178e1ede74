// Commands on the objects of a store that is not mounted. A place is SOURCE/KEY: "store:DIR/BUCKET/KEY".
// Exit codes: 0; 1 when there is no such object; 2 for trouble.
#pragma once

#include <string>
#include <vector>

namespace pailfs::cli {

struct ListObjectsRequest {
  std::string place;
  bool recursive = false;
  bool json = false;
};
int ListObjectsCommand(const ListObjectsRequest& request);

struct ObjectRequest {
  std::string place;
  std::string version_id;
  bool json = false;
};
int StatObjectCommand(const ObjectRequest& request);
int CatObjectCommand(const ObjectRequest& request);

struct PutObjectRequest {
  std::string place;
  std::string file;  // "-": standard input
  std::string content_type;
  std::vector<std::string> metadata;  // each "name=value"
};
int PutObjectCommand(const PutObjectRequest& request);

struct RemoveObjectsRequest {
  std::string place;
  std::string version_id;
  bool recursive = false;  // everything whose key begins with the key given
};
int RemoveObjectsCommand(const RemoveObjectsRequest& request);

int ListVersionsCommand(const ListObjectsRequest& request);

}  // namespace pailfs::cli
