# Compiler flags, sanitizers, ccache and the linker.
set(PARKEEPER_SANITIZE "" CACHE STRING "comma-separated sanitizers, for example address,undefined")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Checkouts in different folders share what they have compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of g++ 12 in inlined standard library code; they are errors of that version's
  # flow analysis, fixed in later ones.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow
                      -Wno-stringop-overread -Wno-array-bounds -Wno-dangling-pointer)
endif()

if(PARKEEPER_SANITIZE)
  add_compile_options(-fsanitize=${PARKEEPER_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PARKEEPER_SANITIZE})
  if(PARKEEPER_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)  # Asio's fences, which no test here relies on
  endif()
  if(PARKEEPER_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
