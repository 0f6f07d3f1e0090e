find_program(GIT git)
set(revision "unknown")
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12 OUTPUT_VARIABLE revision
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT revision)
  set(revision "unknown")
endif()
# What the revision does not tell: a hash over the changes of tracked files and over new sources; empty when there are none.
set(diff "")
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} diff HEAD OUTPUT_VARIABLE diff ERROR_QUIET)
  execute_process(COMMAND ${GIT} -C ${SOURCE} ls-files --others --exclude-standard -- src include cmake
                  OUTPUT_VARIABLE added OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  string(REPLACE "\n" ";" added "${added}")
  foreach(file ${added})
    file(SHA256 ${SOURCE}/${file} sum)
    string(APPEND diff "${file} ${sum}\n")
  endforeach()
  if(NOT diff STREQUAL "")
    string(SHA256 diff "${diff}")
  endif()
endif()
set(text "/* Written by cmake/WriteVersion.cmake. */
#define CRISOL_VERSION \"${VERSION}\"
#define CRISOL_REVISION \"${revision}\"
#define CRISOL_DIFF \"${diff}\"
#define CRISOL_COMPILER \"${COMPILER}\"
#define CRISOL_FLAGS \"${FLAGS}\"
")
set(old "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
