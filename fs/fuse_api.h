// libfuse's low-level API, included by fs/*.cc only. The version is that of the API, which every libfuse since 3.12
// offers.
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
