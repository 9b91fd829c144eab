# layer(<name> [<lower layer>...] [PUBLIC <library>...] [PRIVATE <library>...])
#
# One folder is one static library is one layer: parkeeper/<name> becomes pk_<name>, its *_test.cc
# files become the test program <name>_test. A lower layer that is not declared above is refused
# here, so the table can hold no cycle; the ctest `tidy` holds every #include against it.
function(layer name)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "PUBLIC;PRIVATE")
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/parkeeper/${name}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/parkeeper/${name}/*.h)
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/parkeeper/${name}/*_test.cc)
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER headers EXCLUDE REGEX "_internal\\.h$")

  add_library(pk_${name} STATIC ${sources})
  set_target_properties(pk_${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_sources(pk_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}
                                   FILES ${headers})
  foreach(lower IN LISTS ARG_UNPARSED_ARGUMENTS)
    if(NOT TARGET pk_${lower})
      message(FATAL_ERROR "layer ${name}: ${lower} is not declared above it")
    endif()
    target_link_libraries(pk_${name} PUBLIC pk_${lower})
  endforeach()
  target_link_libraries(pk_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  set_property(GLOBAL APPEND_STRING PROPERTY PK_LAYERS "${name}: ${ARG_UNPARSED_ARGUMENTS}\n")

  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE pk_${name} test_support ${ARG_PRIVATE})
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()

# Writes the layer table for the `tidy` test.
function(write_layer_table)
  get_property(layers GLOBAL PROPERTY PK_LAYERS)
  file(WRITE ${PROJECT_BINARY_DIR}/layers.txt "${layers}")
endfunction()
