# What every script of the matrix begins with. $C holds the contents, whose times are long ago.
set -eu
put() { # PATH CONTENT: the file has this content now, and is older than Git's index
    mkdir -p "$(dirname "$1")"
    cp -p "$C/$2" "$1"
}
commit() { # MESSAGE: everything
    git add -A
    git commit -q -m "$1"
}
fails() { # COMMAND...: must say that it failed
    if "$@"; then
        echo "this did not fail: $*" >&2
        exit 1
    fi
}
whole() { # SCRIPT: instead of what follows `||`, in the twin: there files are binary, and have no hunks to choose
    [ -n "${TWIN-}" ] && sh -c "$1"
}
ruin() { # one managed file gone, one with other content
    rm -f keep.bin
    put dir/b.bin X
}
