# crisol_mpi_test(NAME RANKS counts… [LINK targets…] [SOURCES files…]): a program NAME from NAME.c and, for each count, a
# CTest NAME_COUNT that runs it on so many ranks.
#
# Open MPI leaks on purpose what its plug-ins hold, and unloads them before the leak checker can name them. Sanitizer
# builds therefore keep plug-ins loaded (keep_libraries.c) and name the libraries in tests/support/lsan.supp.
function(crisol_mpi_test name)
  cmake_parse_arguments(ARG "" "" "RANKS;LINK;SOURCES" ${ARGN})
  if(NOT ARG_SOURCES)
    set(ARG_SOURCES ${name}.c)
  endif()
  if(CRISOL_SANITIZE)
    list(APPEND ARG_SOURCES ${CMAKE_SOURCE_DIR}/tests/support/keep_libraries.c)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/support ${CMAKE_SOURCE_DIR}/tests/mpi)
  target_link_libraries(${name} PRIVATE crisol_flags ${ARG_LINK} m)
  foreach(ranks ${ARG_RANKS})
    add_test(NAME ${name}_${ranks} COMMAND ${MPIEXEC_EXECUTABLE} --oversubscribe --bind-to none -np ${ranks}
                                           $<TARGET_FILE:${name}>)
    set_tests_properties(
      ${name}_${ranks}
      PROPERTIES LABELS mpi TIMEOUT 120 PROCESSORS ${ranks} ENVIRONMENT
                 "${CRISOL_TEST_ENVIRONMENT};ASAN_OPTIONS=fast_unwind_on_malloc=0;LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/lsan.supp")
  endforeach()
endfunction()
