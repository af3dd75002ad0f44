# oc_library(name SOURCES … DEPS …): a static library of ours. Includes are written from common/, services/ or tests/.
# oc_program(name SOURCES … DEPS …): an executable in bin/.
# oc_test(name LABEL unit SOURCES … DEPS …): a cmocka program, run by ctest under that label.
# oc_embed_text(target symbol file): a file's text as `const char symbol[]`, linked into target.
# oc_embed(target symbol directory): the *.sql files of a directory, as migrations linked into target (see pg/migrate.h).

function(oc_library name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/common ${PROJECT_SOURCE_DIR}/services ${PROJECT_BINARY_DIR}/proto)
  target_link_libraries(${name} PUBLIC ${A_DEPS} PRIVATE oc_flags PUBLIC oc_hardening)
endfunction()

function(oc_program name)
  cmake_parse_arguments(A "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  if(SANITIZE MATCHES thread) # says why
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/tsan/c11_threads.c)
  endif()
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/common ${PROJECT_SOURCE_DIR}/services ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${A_DEPS} oc_flags oc_hardening)
endfunction()

function(oc_test name)
  cmake_parse_arguments(A "" "LABEL" "SOURCES;DEPS" ${ARGN})
  oc_program(${name} SOURCES ${A_SOURCES} DEPS ${A_DEPS} cmocka)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${A_LABEL} TIMEOUT 300)
endfunction()

# Migrations are numbered files NNN_name.sql; they become one C array of {number, name, text} named `symbol`.
function(oc_embed target symbol directory)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${directory}/*.sql)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSYMBOL=${symbol} "-DFILES=${files}" -P ${PROJECT_SOURCE_DIR}/deploy/cmake/embed.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/deploy/cmake/embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()

function(oc_embed_text target symbol file)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
  set(script ${PROJECT_SOURCE_DIR}/deploy/cmake/embed_text.cmake)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DSYMBOL=${symbol} -DFILE=${CMAKE_CURRENT_SOURCE_DIR}/${file} -P ${script}
    DEPENDS ${file} ${script} VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
