#!/bin/bash
# The figures of mounts, measured with the release binaries.
#
#   cargo build --release --locked && bench/mount.sh [SECTION...]
#
# Sections: tree; all of them without arguments. Needs /dev/fuse and the Debian packages `bc time fuse3`.
# Everything happens in a temporary folder below TMPDIR with its own HOME. Prints facts, judges nothing; counts of requests come
# from the process that serves the mount.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/target/release
tmp=$(mktemp -d "${TMPDIR:-/tmp}/dits-bench.XXXXXX")
mounted=()
cleanup() {
    for dir in "${mounted[@]}"; do git -C "$dir/.." --git-dir="$tmp/repo/.git" dits unmount --force "$dir" >/dev/null 2>&1 || umount -l "$dir" 2>/dev/null || true; done
    rm -rf "$tmp"
}
trap cleanup EXIT
export PATH=$bin:$PATH GIT_CONFIG_NOSYSTEM=1 LC_ALL=C TZ=UTC HOME=$tmp/home GIT_CONFIG_GLOBAL=$tmp/home/.gitconfig
unset XDG_CONFIG_HOME || true
mkdir -p "$HOME"
git config --global user.name "User"
git config --global user.email "user@example.org"
git config --global init.defaultBranch main
git config --global gc.auto 0
git config --global maintenance.auto false
git dits install >/dev/null

timed() { # NAME COMMAND...: wall and CPU
    local name=$1; shift
    /usr/bin/time -o "$tmp/time" -f "$name: %e s wall, %U s user, %S s sys" "$@" >"$tmp/out"
    cat "$tmp/time"
}
stats() { # DIR: what was counted so far, as one line of JSON
    git -C "$1" dits mounts --stats --json | tr -d ' \n'
}
requests() { # DIR NAME COMMAND...: times it, and shows how many requests of each kind the kernel made meanwhile
    local dir=$1; shift
    stats "$dir" >"$tmp/before"
    timed "$@"
    stats "$dir" >"$tmp/after"
    local kind was now
    for kind in lookup getattr readdir readdirplus open read create write unlink; do
        was=$(grep -o "\"$kind\":[0-9]*" "$tmp/before" | head -1 | cut -d: -f2)
        now=$(grep -o "\"$kind\":[0-9]*" "$tmp/after" | head -1 | cut -d: -f2)
        [ "${now:-0}" = "${was:-0}" ] || printf '  %s %d' "$kind" $((${now:-0} - ${was:-0}))
    done
    echo
}

# 100,000 files, of which 25,000 are ghosts of 10 MB whose contents are nowhere.
history() { # fast-import: main with all of it, next with 400 other ghosts
    awk 'BEGIN {
        print "commit refs/heads/main\ncommitter a <a> 1577836800 +0000\ndata 4\nmany"
        text(".gitattributes", "*.mov filter=dits diff=dits merge=dits -text\n")
        for (i = 0; i < 25000; i++) pointer(i, i)
        for (i = 0; i < 75000; i++) text(sprintf("src/d%03d/e%02d/file%06d.txt", i % 500, i % 10, i), "text " i "\n")
        print "commit refs/heads/next\ncommitter a <a> 1577836900 +0000\ndata 4\nnext\nfrom refs/heads/main"
        for (i = 0; i < 400; i++) pointer(i * 60, i + 30000)
    }
    function pointer(i, oid) {
        text(sprintf("media/d%03d/sub%d/clip%06d.mov", i % 250, i % 4, i),
            sprintf("version git-dits/1\noid blake3:%064x\nsize %d\n", oid, 10000000 + oid))
    }
    function text(path, bytes) { printf "M 100644 inline %s\ndata %d\n%s\n", path, length(bytes), bytes }'
}

tree() {
    git init -q "$tmp/repo"
    history | git -C "$tmp/repo" fast-import --quiet
    echo "files: $(git -C "$tmp/repo" ls-tree -r main | wc -l)"
    local dir=$tmp/mnt
    mounted+=("$dir")
    timed "git dits mount" git -C "$tmp/repo" dits mount -b work "$dir" main
    requests "$dir" "first git status" git -C "$dir" status --porcelain
    wc -l <"$tmp/out" | sed 's/^/  lines: /'
    requests "$dir" "second git status" git -C "$dir" status --porcelain
    requests "$dir" "third git status" git -C "$dir" status --porcelain
    requests "$dir" "ls -lR" ls -lR "$dir"
    requests "$dir" "ls -lR again" ls -lR "$dir"
    requests "$dir" "git checkout of 400 changed files" git -C "$dir" checkout -q next
    requests "$dir" "git status after it" git -C "$dir" status --porcelain
    wc -l <"$tmp/out" | sed 's/^/  lines: /'
    echo one >"$dir/src/d001/e01/file000001.txt"
    echo two >"$dir/src/new.txt"
    rm "$dir/src/d002/e02/file000002.txt"
    requests "$dir" "git status after 3 edits" git -C "$dir" status --porcelain
    wc -l <"$tmp/out" | sed 's/^/  lines: /'
    timed "git dits unmount" git -C "$tmp/repo" dits unmount "$dir"
    timed "git dits mount again" git -C "$tmp/repo" dits mount "$dir"
    requests "$dir" "git status then" git -C "$dir" status --porcelain
    timed "the hook alone" env GIT_DIR="$(git -C "$dir" rev-parse --absolute-git-dir)" git-dits hook fsmonitor 2 none
    git -C "$tmp/repo" dits unmount "$dir"
    mounted=()
}

for section in "${@:-tree}"; do
    echo "== $section"
    "$section"
done
