#!/bin/sh
# Builds a guest from a JavaScript module: build.sh plugin.js -o plugin.wasm
#
#   CC       a C compiler for wasm32-wasi that knows #embed: `zig cc -target wasm32-wasi` unless it is set
#   QUICKJS  a folder with the sources of QuickJS-NG; unless it is set, cargo fetches them once
#   BUILD    where sources and objects are kept; `build` beside this script unless it is set
set -eu

fail() { echo "build.sh: $1" >&2; exit 1; }

kit=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 3 ] && [ "$2" = -o ] || fail "usage: build.sh plugin.js -o plugin.wasm"
[ -f "$1" ] || fail "there is no file $1"
plugin=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
wasm=$3
build=${BUILD:-$kit/build}
if [ -z "${CC:-}" ]; then
    zig=$(command -v zig || command -v python-zig) || fail "neither CC is set nor zig is installed (pip install ziglang)"
    CC="$zig cc -target wasm32-wasi"
fi
mkdir -p "$build"

# QuickJS-NG comes along with a crate. Nothing of the crate is compiled.
if [ -z "${QUICKJS:-}" ]; then
    QUICKJS=$build/vendor/rquickjs-sys/quickjs
    if [ ! -d "$QUICKJS" ]; then
        mkdir -p "$build/fetch/src"
        : > "$build/fetch/src/lib.rs"
        printf '[package]\nname = "fetch"\nedition = "2021"\n[dependencies]\nrquickjs-sys = "=0.14.0"\n[workspace]\n' \
            > "$build/fetch/Cargo.toml"
        cargo vendor --quiet --manifest-path "$build/fetch/Cargo.toml" "$build/vendor" > /dev/null
    fi
fi
[ -f "$QUICKJS/quickjs.h" ] || fail "QUICKJS=$QUICKJS has no quickjs.h"

stack=1048576
flags="-O2 -D_GNU_SOURCE -DSTACK_BYTES=$stack -I$QUICKJS -I$kit/../c"
for name in quickjs libregexp libunicode dtoa; do
    [ -f "$build/$name.o" ] || $CC $flags -w -c "$QUICKJS/$name.c" -o "$build/$name.o"
done

# `// @sandbox text -> text` before `export function greet` becomes FUNCTION(greet, text, text).
functions=$(awk '
    /^\/\/ @sandbox / { takes = $3; returns = $5; next }
    takes && /^export (async )?function / {
        sub(/^export (async )?function /, ""); sub(/[ (].*/, "")
        printf "FUNCTION(%s, %s, %s) ", $0, takes, returns
    }
    { takes = "" }' "$plugin")
[ -n "$functions" ] || fail "$1 has no function with a comment such as: // @sandbox text -> text"

$CC $flags -std=gnu2x -s -mexec-model=reactor -Wl,-z,stack-size=$stack "-DPLUGIN=\"$plugin\"" "-DPLUGIN_NAME=\"$(basename "$plugin")\"" "-DFUNCTIONS=$functions" \
    "$kit/engine.c" "$build"/quickjs.o "$build"/libregexp.o "$build"/libunicode.o "$build"/dtoa.o -o "$wasm"
