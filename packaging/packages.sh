# shellcheck shell=bash disable=SC2034
# The Debian and Ubuntu packages that pailfs needs, and how to install the missing ones. To be sourced by bash.

# To build and run.
build_packages=(
  g++ cmake ninja-build ccache pkg-config
  libfuse3-dev fuse3 libleveldb-dev libsnappy-dev libprotobuf-dev protobuf-compiler
  libcli11-dev libtomlplusplus-dev libpugixml-dev libssl-dev libisal-dev libcurl4-openssl-dev
)
# To run the whole suite.
test_packages=(
  libgtest-dev libgmock-dev clang-format-14 python3 git rsync tar fio attr acl sqlite3 vim make
  util-linux findutils procps
  radosgw ceph-mon ceph-osd ceph-common libeatmydata1 openssl
  awscli python3-boto3 s3cmd rclone s3fs
  samba samba-vfs-modules smbclient
)

# missing_packages NAME…: those that are not installed, one a line.
missing_packages() {
  local name
  for name in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || printf '%s\n' "$name"
  done
}

# install_packages NAME…: says nothing when all are there. Fails with a message.
install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  if ! command -v apt-get >/dev/null; then
    echo "error: these packages are needed and apt-get is not here to install them: ${missing[*]}" >&2
    return 1
  fi
  if ((EUID != 0)); then
    echo "error: these packages are missing; run as root, or install them: apt-get install ${missing[*]}" >&2
    return 1
  fi
  echo "Installing packages: ${missing[*]}"
  log=$(mktemp)
  if ! { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends \
    -o DPkg::Lock::Timeout=120 "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "error: apt-get could not install: ${missing[*]}" >&2
    return 1
  fi
  rm -f "$log"
}

# configure SOURCE PRESET BUILD CMAKE-ARGUMENT…: configures quietly; starts anew when the build directory was made for a
# source tree that has since moved.
configure() {
  local source=$1 preset=$2 build=$3 fresh=()
  shift 3
  if [[ -f $build/CMakeCache.txt ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$source" "$build/CMakeCache.txt"; then
    fresh=(--fresh)
  fi
  local log
  log=$(mktemp)
  if ! (cd "$source" && cmake --preset "$preset" -B "$build" "${fresh[@]}" "$@") >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    echo "error: cmake could not configure $build" >&2
    return 1
  fi
  rm -f "$log"
}
