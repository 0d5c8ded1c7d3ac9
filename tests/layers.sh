#!/bin/sh
# Shows that the build refuses an include that breaks the layers: for each folder, a file that
# includes its own headers compiles, and one that includes a folder it did not declare does not.
# usage: tests/layers.sh BUILD
set -eu
build=$1
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tried=0

# Compiles a file as one of a folder, with the flags that the build uses for that folder.
compiles() { # FOLDER HEADER
    printf '#include "%s"\nint x;\n' "$2" > "$work/probe.c"
    cc -std=gnu17 -D_GNU_SOURCE "-I$build/src/layers/$1" -fsyntax-only "$work/probe.c" 2>"$work/err"
}

for path in "$root"/src/*/; do
    folder=$(basename "$path")
    [ -d "$build/src/layers/$folder" ] || { [ -z "$(ls "$path")" ] && continue; \
        echo "src/$folder is not a layer of src/meson.build"; exit 1; }
    for other in "$root"/src/*/; do
        name=$(basename "$other")
        header=$(cd "$other" && ls ./*.h 2>/dev/null | head -n 1 | sed 's,^\./,,')
        [ -n "$header" ] || continue
        if [ -e "$build/src/layers/$folder/$name" ]; then
            compiles "$folder" "$name/$header" || {
                echo "src/$folder may use $name/$header but cannot:"; cat "$work/err"; exit 1; }
        elif compiles "$folder" "$name/$header"; then
            echo "src/$folder must not see $name/$header but does"; exit 1
        fi
        tried=$((tried + 1))
    done
done
# The house's order, said once more, independently of src/meson.build.
allowed='base: dns:base crypto:base,dns zone:base,dns,crypto net:base,dns,crypto
         sign:base,dns,crypto,zone
         validate:base,dns,crypto,zone image:base,dns,crypto,zone
         registry:base,dns,zone
         serve:base,dns,crypto,zone,net,image source:base,dns,crypto,zone,net
         api:base,dns,net process:base keys:base,dns,crypto,zone,sign,process
         config:base,dns,crypto,zone,net,sign
         front:base,dns,crypto,zone,net,sign,image,serve,process,config
         control:base,dns,crypto,zone,net,sign,validate,dane,image,registry,serve,source,api,process,keys,config
         daemon:base,dns,crypto,zone,net,sign,validate,dane,image,registry,serve,source,api,process,keys,config,front,control
         resolve:base,dns,crypto,zone,net,validate
         dane:base,dns,crypto,zone,validate
         auth:base,dns,crypto,zone,net,validate,resolve,dane
         lib:base,dns,crypto,zone,net,validate,resolve,dane,auth,kenter
         cli:base,dns,crypto,zone,net,sign,validate,resolve,dane,auth'
for row in $allowed; do
    folder=${row%%:*}
    have=$(ls "$build/src/layers/$folder" | grep -vx "$folder" | sort | tr '\n' ' ')
    want=$(echo "${row#*:}" | tr ',' '\n' | grep . | sort | tr '\n' ' ' || true)
    [ "$have" = "$want" ] || { echo "src/$folder may use: $have; the design says: $want"; exit 1; }
done
# No way around: a relative path upwards, or somebody else's crypto.
if grep -rnE '#include "\.\./' "$root/src" "$root/include"; then
    echo "an include goes around the layers"; exit 1
fi
if grep -rlE '#include <openssl/' "$root/src" | grep -v '^'"$root"'/src/crypto/' |
    grep -v '^'"$root"'/src/\(dane\|auth\)/' | grep -vx "$root/src/net/tls.c"; then
    echo "only src/crypto includes OpenSSL; src/net/tls.c for TLS, src/dane and src/auth for certificates"; exit 1
fi
# And the build itself stops: the signer reaching into the verifier.
cp "$root/src/sign/policy.c" "$work/policy.c"
printf '#include "validate/zone.h"\n' >> "$work/policy.c"
if cc -std=gnu17 -D_GNU_SOURCE "-I$build/src/layers/sign" -fsyntax-only "$work/policy.c" 2>"$work/err"
then
    echo "src/sign can include validate/zone.h"; exit 1
fi
grep -q 'validate/zone.h: No such file' "$work/err" || { cat "$work/err"; exit 1; }
echo "layers: $tried pairs tried, all as declared"
