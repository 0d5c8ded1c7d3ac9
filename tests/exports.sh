#!/bin/sh
# Fails when the shared library gives away a symbol that is not public.
# usage: exports.sh LIBRARY
set -eu
symbols=$(nm -D --defined-only "$1" | awk '{print $3}' | sed 's/@.*//')
others=$(echo "$symbols" | grep -v '^kenter_' || true)
if [ -n "$others" ]; then
    echo "exported, but not public:" $others
    exit 1
fi
echo "$symbols" | grep -qx kenter_version
