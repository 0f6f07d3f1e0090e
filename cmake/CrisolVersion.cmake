# build/…/generated/crisol_version.h: version and git revision, made anew when they change.
set(CRISOL_GENERATED ${CMAKE_BINARY_DIR}/generated)
add_custom_target(
  crisol_version_header
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUTPUT=${CRISOL_GENERATED}/crisol_version.h
          -DVERSION=${PROJECT_VERSION} "-DCOMPILER=${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION}"
          "-DFLAGS=${CMAKE_BUILD_TYPE} ${CMAKE_C_FLAGS} ${CMAKE_C_FLAGS_RELEASE}" -P
          ${CMAKE_SOURCE_DIR}/cmake/WriteVersion.cmake
  BYPRODUCTS ${CRISOL_GENERATED}/crisol_version.h
  COMMENT "")
