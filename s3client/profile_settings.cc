#include "s3client/credentials.h"
#include "s3client/shared_config.h"

namespace pailfs::s3client {

Result<ProfileSettings> ReadProfileSettings(const std::string& profile, FileSystem& files,
                                            const Environment& environment) {
  ASSIGN_OR_RETURN(const SharedConfig config, ReadSharedConfig(files, environment));
  const auto named = NamedProfile(profile, environment);
  const auto found = config.Find(named.value_or("default"));
  if (!found.ok() && named) return found.error();
  const ConfigSection none;
  const ConfigSection& section = found.ok() ? (*found)->settings : none;
  return ProfileSettings{.region = section.Text("region"),
                         .endpoint_url = ProfileEndpoint(config, section, "s3", environment),
                         .ca_bundle = ExpandHome(section.Text("ca_bundle"), environment),
                         .addressing_style = section.Nested("s3", "addressing_style")};
}

}  // namespace pailfs::s3client
