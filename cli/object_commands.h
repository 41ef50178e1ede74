// Commands on the objects of a server's bucket, or of a store that is not mounted.
// Exit codes: 0; 1 when there is no such object; 2 for trouble.
#pragma once

#include <string>
#include <vector>

namespace pailfs::cli {

struct ObjectPlace {
  std::string text;                       // SOURCE/KEY: "s3://BUCKET/KEY", "store:DIR/BUCKET/KEY"
  std::vector<std::string> option_lists;  // options of a mount, those for s3:// have effect
};

struct ListObjectsRequest {
  ObjectPlace place;
  bool recursive = false;
  bool json = false;
};
int ListObjectsCommand(const ListObjectsRequest& request);

struct ObjectRequest {
  ObjectPlace place;
  std::string version_id;
  bool json = false;
};
int StatObjectCommand(const ObjectRequest& request);
int CatObjectCommand(const ObjectRequest& request);

struct PutObjectRequest {
  ObjectPlace place;
  std::string file;  // "-": standard input
  std::string content_type;
  std::vector<std::string> metadata;  // each "name=value"
};
int PutObjectCommand(const PutObjectRequest& request);

struct RemoveObjectsRequest {
  ObjectPlace place;
  std::string version_id;
  bool recursive = false;  // everything whose key begins with the key given
};
int RemoveObjectsCommand(const RemoveObjectsRequest& request);

int ListVersionsCommand(const ListObjectsRequest& request);

}  // namespace pailfs::cli
