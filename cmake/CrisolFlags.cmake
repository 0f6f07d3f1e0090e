# Compiler flags, as an interface library that every module links.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_FLAGS_RELEASE "-O3 -g1")

add_library(crisol_flags INTERFACE)
target_include_directories(crisol_flags INTERFACE ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(crisol_flags INTERFACE _GNU_SOURCE)
# -ffp-contract=off: whether a compiler fuses a multiply and an add may change no bit of a result.
target_compile_options(
  crisol_flags INTERFACE -ffp-contract=off -fno-math-errno -Wall -Wextra -Wundef -Wstrict-prototypes -Wmissing-prototypes
                         -Wshadow -Wvla)
if(CRISOL_WERROR)
  target_compile_options(crisol_flags INTERFACE -Werror)
endif()
if(CRISOL_SANITIZE)
  target_compile_options(crisol_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer
                                                -fno-sanitize-recover=undefined)
  target_link_options(crisol_flags INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(crisol_flags INTERFACE CRISOL_SANITIZED=1)
else()
  target_compile_definitions(crisol_flags INTERFACE CRISOL_SANITIZED=0)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(crisol_flags INTERFACE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE)
    target_link_options(crisol_flags INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
  endif()
endif()
