set(PAILFS_CACHE_CODEC_SOURCES block_map.cc key_names.cc metadata_codec.cc moment.cc posix_acl.cc readahead.cc
    upload_plan.cc version_fold.cc)
