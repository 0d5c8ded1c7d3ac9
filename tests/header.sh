#!/bin/sh
# Compiles the public headers as strict C99 and C++, alone and together.
# usage: header.sh INCLUDE_DIRECTORY SOURCE
set -eu
${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -I "$1" -x c -fsyntax-only "$2"
if command -v "${CXX:-c++}" >/dev/null; then
    ${CXX:-c++} -std=c++11 -Wall -Wextra -Wpedantic -Werror -I "$1" -x c++ -fsyntax-only "$2"
fi
