#include "base/s3wire/sts.h"

#include "base/s3wire/uri.h"
#include "base/s3wire/xml_reader.h"

namespace pailfs::s3wire {
namespace {

constexpr char kVersion[] = "2011-06-15";

Query RoleQuery(const char* action, const RoleRequest& request) {
  Query query{{"Action", action},
              {"Version", kVersion},
              {"RoleArn", request.role_arn},
              {"RoleSessionName", request.session_name}};
  if (request.duration_seconds != 0) query.emplace_back("DurationSeconds", StrCat(request.duration_seconds));
  return query;
}

}  // namespace

std::string AssumeRoleBody(const RoleRequest& request) {
  Query query = RoleQuery("AssumeRole", request);
  if (!request.external_id.empty()) query.emplace_back("ExternalId", request.external_id);
  return CanonicalQuery(query);
}

std::string AssumeRoleWithWebIdentityBody(const RoleRequest& request, std::string_view token) {
  Query query = RoleQuery("AssumeRoleWithWebIdentity", request);
  query.emplace_back("WebIdentityToken", std::string(token));
  return CanonicalQuery(query);
}

Result<RoleCredentials> ParseRoleCredentials(std::string_view xml) {
  Document document;
  RETURN_IF_ERROR(document.Read(xml));
  const Element root = document.root();
  const bool web_identity = root.name() == "AssumeRoleWithWebIdentityResponse";
  if (!web_identity && root.name() != "AssumeRoleResponse") return Corrupt("the root is no answer of STS");
  const Element found =
      root.Child(web_identity ? "AssumeRoleWithWebIdentityResult" : "AssumeRoleResult").Child("Credentials");
  RoleCredentials role;
  role.keys.access_key_id = found.RequiredText("AccessKeyId");
  role.keys.secret_access_key = found.RequiredText("SecretAccessKey");
  role.keys.session_token = found.RequiredText("SessionToken");
  role.expires_us = found.TimeUs("Expiration");
  if (document.error()) return *document.error();
  return role;
}

Result<ErrorDocument> ParseStsError(std::string_view xml) {
  Document document;
  RETURN_IF_ERROR(document.Read(xml));
  const Element root = document.root();
  const bool wrapped = root.name() == "ErrorResponse";
  if (!wrapped && root.name() != "Error") return Corrupt("the root is no error of STS");
  const Element found = wrapped ? root.Child("Error") : root;
  ErrorDocument error;
  error.code = found.RequiredText("Code");
  error.message = found.Text("Message");
  error.request_id = root.Text("RequestId");
  if (document.error()) return *document.error();
  return error;
}

}  // namespace pailfs::s3wire
