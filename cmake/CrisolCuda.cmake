# The GPU part, where the toolkit is: CRISOL_CUDA is AUTO, ON or OFF; CRISOL_WITH_CUDA says what came of it, and the code
# tests CRISOL_CUDA, 0 or 1.
#
# The same binary must start on a machine without a driver, cuDNN, cuBLASLt or NCCL. So the CUDA runtime is linked
# statically (without a driver its calls fail with a code), and the other three are opened when they are wanted: only
# their headers are used here.
set(CRISOL_CUDA AUTO CACHE STRING "Build the GPU backend: AUTO (where CUDA, cuDNN and NCCL are found), ON, OFF")
set_property(CACHE CRISOL_CUDA PROPERTY STRINGS AUTO ON OFF)
set(CRISOL_WITH_CUDA 0)

if(NOT CRISOL_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit 12 QUIET)
  find_path(CUDNN_INCLUDE cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_path(NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  set(CRISOL_CUDA_MISSING "")
  foreach(part CUDAToolkit_NVCC_EXECUTABLE CUDAToolkit_INCLUDE_DIRS CUDNN_INCLUDE NCCL_INCLUDE)
    if(NOT ${part})
      string(APPEND CRISOL_CUDA_MISSING " ${part}")
    endif()
  endforeach()
  if(NOT CRISOL_CUDA_MISSING AND TARGET CUDA::cudart_static)
    set(CRISOL_WITH_CUDA 1)
  elseif(NOT CRISOL_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "CRISOL_CUDA=${CRISOL_CUDA}, but the toolkit lacks:${CRISOL_CUDA_MISSING}")
  endif()
endif()
target_compile_definitions(crisol_flags INTERFACE CRISOL_CUDA=${CRISOL_WITH_CUDA})

if(CRISOL_WITH_CUDA)
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90) # code for A100 and Hopper, and PTX from which a driver makes later ones
  endif()
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  # As for C: the compiler fuses no multiply with an add.
  target_compile_options(crisol_flags INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-fmad=false;-Xcompiler=-fPIE>")
  if(CUDAToolkit_VERSION VERSION_GREATER_EQUAL 12.8) # a third of the size; drivers of CUDA 12.4 and newer read it
    target_compile_options(crisol_flags INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:--compress-mode=size>")
  endif()
  if(CRISOL_WERROR)
    target_compile_options(crisol_flags INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>")
  endif()
  add_library(crisol_cuda_headers INTERFACE)
  target_include_directories(crisol_cuda_headers SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS} ${CUDNN_INCLUDE} ${NCCL_INCLUDE})
  add_library(crisol::cuda_headers ALIAS crisol_cuda_headers)
  add_library(crisol::cudart ALIAS CUDA::cudart_static)
  message(STATUS "GPU backend: CUDA ${CUDAToolkit_VERSION}, code for ${CMAKE_CUDA_ARCHITECTURES}")
else()
  message(STATUS "GPU backend: none (CRISOL_CUDA=${CRISOL_CUDA})")
endif()
