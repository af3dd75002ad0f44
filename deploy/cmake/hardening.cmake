# Warnings as errors for our own code, and the OpenSSF hardening flags that this compiler knows.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)

add_library(oc_flags INTERFACE)
target_compile_options(oc_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wformat=2 -Wvla
  -Wimplicit-fallthrough -Werror -Wno-gnu-zero-variadic-macro-arguments)
target_compile_definitions(oc_flags INTERFACE _GNU_SOURCE)
if(FAULTS)
  target_compile_definitions(oc_flags INTERFACE ORDERCLERK_FAULTS)
endif()

# Generated code gets the hardening, not our warnings.
add_library(oc_hardening INTERFACE)
if(FUZZ) # coverage for libFuzzer in all of our code; the targets alone link its main()
  target_compile_options(oc_hardening INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(oc_hardening INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(SANITIZE)
  target_compile_options(oc_hardening INTERFACE -fsanitize=${SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(oc_hardening INTERFACE -fsanitize=${SANITIZE})
elseif(HARDENING)
  foreach(flag -fstack-clash-protection -fstack-protector-strong -fcf-protection=full -fno-delete-null-pointer-checks
               -fno-strict-overflow -fno-strict-aliasing -ftrivial-auto-var-init=zero -fexceptions -Wtrampolines)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
      target_compile_options(oc_hardening INTERFACE ${flag})
    endif()
  endforeach()
  target_compile_options(oc_hardening INTERFACE $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
  foreach(flag -Wl,-z,nodlopen -Wl,-z,noexecstack -Wl,-z,relro -Wl,-z,now -Wl,--as-needed)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_linker_flag(C ${flag} ${have})
    if(${have})
      target_link_options(oc_hardening INTERFACE ${flag})
    endif()
  endforeach()
  target_link_options(oc_hardening INTERFACE -pie)
endif()
# Assertions stay on in every build.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
