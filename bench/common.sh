# What all figures are measured with: a temporary folder with users of their own, a real server on loopback, the trace. To be sourced.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BIN:-$PWD/target/release}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dits-bench.XXXXXX")
server=
cleanup() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; umount -l "$tmp"/*-mount 2>/dev/null || true; rm -rf "$tmp"; }
trap cleanup EXIT
export PATH=$bin:$PATH GIT_CONFIG_NOSYSTEM=1 LC_ALL=C TZ=UTC GIT_DITS_TRACE=$tmp/trace
unset XDG_CONFIG_HOME || true

home() { # NAME: switch to this user, making it
    export HOME=$tmp/home-$1 GIT_CONFIG_GLOBAL=$tmp/home-$1/.gitconfig
    [ -d "$HOME" ] && return
    mkdir -p "$HOME"
    git config --global user.name "User $1"
    git config --global user.email "$1@example.org"
    git config --global init.defaultBranch main
    # A background gc after a commit of 20,000 objects would be measured with whatever comes next.
    git config --global gc.auto 0
    git config --global maintenance.auto false
    git dits install >/dev/null
}
serve() { # DIR: start a server on it, set $url
    coproc SERVER { exec git-dits serve "$1" --anonymous --listen 127.0.0.1:0; }
    server=$SERVER_PID
    read -r _ _ url <&"${SERVER[0]}"
}
mark() { wc -l <"$tmp/trace" 2>/dev/null || echo 0; }
since() { # MARK EVENT FIELD: sum of a field of events after the mark
    tail -n +$(($1 + 1)) "$tmp/trace" | grep "\"event\":\"$2\"" | grep -o "\"$3\":[0-9]*" | cut -d: -f2 | paste -sd+ | sed 's/^$/0/' | bc
}
timed() { # NAME COMMAND...: wall, CPU and the largest process
    local name=$1; shift
    /usr/bin/time -f "$name: %e s wall, %U s user, %S s sys, largest process %M KiB" "$@"
}
same() { # DIR DIR: files are equal
    diff -r --exclude=.git "$1" "$2" && echo "files are identical"
}
filter_starts() { # DIR: filter processes that git status starts there
    GIT_TRACE2_PERF=$tmp/perf git -C "$1" status --porcelain >"$tmp/status"
    echo "git status: $(wc -l <"$tmp/status") lines, $(grep -c 'class:subprocess' "$tmp/perf" || true) filter starts"
    rm -f "$tmp/perf"
}
push_facts() { # MARK
    echo "  contents $(since "$1" push contents), had $(since "$1" push contents_had), chunks $(since "$1" push chunks)," \
        "chunk bytes $(since "$1" push chunk_bytes), sent $(since "$1" push sent_bytes), received $(since "$1" push received_bytes)," \
        "wire $(($(since "$1" connection wire_sent_bytes) + $(since "$1" connection wire_received_bytes)))"
}
random() { # BYTES SEED: reproducible bytes that do not compress
    openssl enc -aes-128-ctr -nosalt -K "$(printf '%032x' "$2")" -iv 0 </dev/zero 2>/dev/null | head -c "$1" || true
}
touch "$tmp/trace"
run_sections() { # NAME...: each in a shell of its own, whose server ends with it
    local name section
    for name in "$@"; do for section in $name; do (trap cleanup_section EXIT; cleanup_section() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; }; "section_$section"); done; done
}
