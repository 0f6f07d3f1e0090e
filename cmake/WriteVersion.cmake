find_program(GIT git)
set(revision "unknown")
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --abbrev=12 OUTPUT_VARIABLE revision
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT revision)
  set(revision "unknown")
endif()
set(text "/* Written by cmake/WriteVersion.cmake. */
#define CRISOL_VERSION \"${VERSION}\"
#define CRISOL_REVISION \"${revision}\"
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
