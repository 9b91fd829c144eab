# Arrow C++ from an installed package when there is one, else out of the pyarrow wheel, which holds
# the headers and the libraries. Sets PARKEEPER_ARROW_TARGETS.
set(PARKEEPER_ARROW auto CACHE STRING "auto, system or wheel")
set(PARKEEPER_VENV "${CMAKE_SOURCE_DIR}/.venv" CACHE PATH "venv that holds pyarrow; ./dev makes it")
set(PARKEEPER_ARROW_MIN 26)

if(NOT PARKEEPER_ARROW STREQUAL "wheel")
  find_package(Arrow ${PARKEEPER_ARROW_MIN} CONFIG QUIET)
  if(Arrow_FOUND)
    find_package(ArrowCompute CONFIG REQUIRED HINTS "${Arrow_DIR}/..")
    find_package(Parquet CONFIG REQUIRED HINTS "${Arrow_DIR}/..")
    message(STATUS "Arrow ${Arrow_VERSION} (${Arrow_DIR})")
  elseif(PARKEEPER_ARROW STREQUAL "system")
    message(FATAL_ERROR
            "Arrow ${PARKEEPER_ARROW_MIN}+ not found; set Arrow_DIR or PARKEEPER_ARROW=wheel")
  endif()
endif()

if(NOT Arrow_FOUND)
  file(GLOB wheel LIST_DIRECTORIES true "${PARKEEPER_VENV}/lib/python3*/site-packages/pyarrow")
  list(LENGTH wheel count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "no pyarrow in ${PARKEEPER_VENV}: run ./dev build, or install Arrow C++")
  endif()
  file(STRINGS "${wheel}/include/arrow/util/config.h" lines
       REGEX "#define ARROW_(SO_VERSION|VERSION_STRING) ")
  foreach(line IN LISTS lines)
    if(line MATCHES "ARROW_SO_VERSION \"([0-9]+)\"")
      set(wheel_so ${CMAKE_MATCH_1})
    elseif(line MATCHES "ARROW_VERSION_STRING \"([^\"]+)\"")
      set(Arrow_VERSION ${CMAKE_MATCH_1})
    endif()
  endforeach()
  if(Arrow_VERSION VERSION_LESS PARKEEPER_ARROW_MIN)
    message(FATAL_ERROR "pyarrow ${Arrow_VERSION} is too old, need ${PARKEEPER_ARROW_MIN}")
  endif()

  function(wheel_library target file)
    set(library "${wheel}/${file}.so.${wheel_so}")
    if(NOT EXISTS "${library}")
      message(FATAL_ERROR "${library} is missing")
    endif()
    add_library(${target} SHARED IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES
      IMPORTED_LOCATION "${library}"
      IMPORTED_SONAME "${file}.so.${wheel_so}"
      INTERFACE_INCLUDE_DIRECTORIES "${wheel}/include"
      INTERFACE_LINK_LIBRARIES "${ARGN}")
  endfunction()
  wheel_library(Arrow::arrow_shared libarrow)
  wheel_library(ArrowCompute::arrow_compute_shared libarrow_compute Arrow::arrow_shared)
  wheel_library(Parquet::parquet_shared libparquet Arrow::arrow_shared)
  message(STATUS "Arrow ${Arrow_VERSION} (${wheel})")
endif()

if(TARGET Arrow::arrow_shared)
  set(PARKEEPER_ARROW_TARGETS Parquet::parquet_shared ArrowCompute::arrow_compute_shared
                              Arrow::arrow_shared)
else()
  set(PARKEEPER_ARROW_TARGETS Parquet::parquet_static ArrowCompute::arrow_compute_static
                              Arrow::arrow_static)
endif()
