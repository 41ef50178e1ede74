# Helpers that give every target the same flags.
#
#   pailfs_library(NAME SOURCES a.cc … [DEPENDS pailfs_base …] [PROTOS records.proto …] [PRIVATE third party targets])
#   pailfs_test(NAME SOURCES a_test.cc … DEPENDS … [TIMEOUT seconds] [LABELS …])

add_library(pailfs_flags INTERFACE)
target_include_directories(pailfs_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(pailfs_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Werror -fno-omit-frame-pointer)
target_compile_definitions(pailfs_flags INTERFACE _FILE_OFFSET_BITS=64 PAILFS_VERSION="${PROJECT_VERSION}")
target_link_libraries(pailfs_flags INTERFACE Threads::Threads)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(pailfs_flags INTERFACE -Wthread-safety)
endif()
if(PAILFS_SANITIZE STREQUAL "address")
  # Instrumented, g++ 12 takes std::optional members for uninitialized.
  target_compile_options(pailfs_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-maybe-uninitialized)
  target_link_options(pailfs_flags INTERFACE -fsanitize=address,undefined)
elseif(PAILFS_SANITIZE STREQUAL "thread")
  target_compile_options(pailfs_flags INTERFACE -fsanitize=thread)
  target_link_options(pailfs_flags INTERFACE -fsanitize=thread)
elseif(PAILFS_SANITIZE)
  message(FATAL_ERROR "PAILFS_SANITIZE must be address, thread or empty, not '${PAILFS_SANITIZE}'")
endif()

# Generated protobuf code, compiled without our warnings, included as "<folder>/<name>.pb.h".
function(pailfs_protos name)
  set(generated)
  foreach(proto ${ARGN})
    get_filename_component(stem ${proto} NAME_WE)
    file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    set(out ${PROJECT_BINARY_DIR}/generated/${folder}/${stem})
    add_custom_command(
      OUTPUT ${out}.pb.cc ${out}.pb.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/generated
      COMMAND protobuf::protoc --cpp_out=lite:${PROJECT_BINARY_DIR}/generated -I ${PROJECT_SOURCE_DIR}
              ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto} VERBATIM)
    list(APPEND generated ${out}.pb.cc)
  endforeach()
  add_library(${name} STATIC ${generated})
  target_include_directories(${name} SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/generated)
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf-lite)
  if(PAILFS_SANITIZE)
    string(REPLACE "address" "address,undefined" sanitizers ${PAILFS_SANITIZE})
    target_compile_options(${name} PRIVATE -fsanitize=${sanitizers})
  endif()
endfunction()

function(pailfs_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PROTOS;PRIVATE" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC pailfs_flags ${arg_DEPENDS} PRIVATE ${arg_PRIVATE})
  if(arg_PROTOS)
    pailfs_protos(${name}_proto ${arg_PROTOS})
    target_link_libraries(${name} PUBLIC ${name}_proto)
  endif()
endfunction()

function(pailfs_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE pailfs_flags ${arg_DEPENDS} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}"
    ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:halt_on_error=1")
endfunction()
