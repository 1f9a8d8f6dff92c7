#!/bin/bash
# What a mount must show, measured with the release binaries on a real server over loopback.
#
#   cargo build --release --locked && bench/mount.sh [SECTION...]
#
# Sections: middle, rate, tree; all without arguments; BIN names another folder of programs. `middle` needs little disk (its file of 10 GB is sparse), `rate` about 8 GB. Both also read through a
# mount where /dev/fuse can be used. Everything happens in a temporary folder below TMPDIR with its own HOME.
# Prints facts, judges nothing; byte counts come from GIT_DITS_TRACE, not from the clock.
. "$(dirname "$0")/common.sh"

ghosts() { # URL DIR: a clone with nothing but pointers
    GIT_DITS_SKIP_SMUDGE=1 git clone -q "$1" "$2"
}
can_mount() { [ -w /dev/fuse ] || { echo "  /dev/fuse cannot be used: nothing is read through a mount"; return 1; }; }
range_facts() { # MARK
    echo "  $(tail -n +$(($1 + 1)) "$tmp/trace" | grep -c '"event":"range"' || true) questions, chunks $(since "$1" range chunks)," \
        "chunk bytes $(since "$1" range chunk_bytes), received $(since "$1" range received_bytes), sent $(since "$1" range sent_bytes)"
}
bytes_of() { # FILE OFFSET LENGTH OUT
    dd if="$1" of="$4" bs=64k iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none
}

section_middle() {
    echo "== middle: 1 MB in the middle of a sparse file of 10 GB"
    home a; serve "$tmp/server"; git init -q "$tmp/a"; cd "$tmp/a"
    git dits track '*.bin' >/dev/null; git remote add origin "$url/team/middle"
    truncate -s 10G large.bin
    local at m
    for at in 0 1073741824 5368709120 9663676416; do random 67108864 $((at / 1000000 + 3)) | dd of=large.bin bs=1M oflag=seek_bytes seek="$at" conv=notrunc status=none; done
    git add .; git commit -qm large; git push -q -u origin main
    local from=5373709120 count=1048576
    bytes_of large.bin "$from" "$count" "$tmp/right"
    ghosts "$url/team/middle" "$tmp/b"; cd "$tmp/b"
    printf '{"path":"large.bin","start":0,"end":1}\n' >"$tmp/first"; printf '{"path":"large.bin","start":%s,"end":%s}\n' "$from" $((from + count)) >"$tmp/mid"
    m=$(mark); timed "first byte, a command with a new connection" git dits prefetch --from-trace "$tmp/first"; range_facts "$m"
    m=$(mark); timed "1 MB in the middle" git dits prefetch --from-trace "$tmp/mid"; range_facts "$m"
    can_mount || return 0
    ghosts "$url/team/middle" "$tmp/c"; git -C "$tmp/c" dits mount --detach "$tmp/c-mount" HEAD
    m=$(mark); timed "mount: the first byte" dd if="$tmp/c-mount/large.bin" of="$tmp/one" bs=1 count=1 status=none; range_facts "$m"
    m=$(mark); timed "mount: 1 MB in the middle" dd if="$tmp/c-mount/large.bin" of="$tmp/read" bs=64k iflag=skip_bytes,count_bytes skip="$from" count="$count" status=none
    range_facts "$m"; cmp "$tmp/right" "$tmp/read" && echo "  the bytes are right"
    git -C "$tmp/c" dits unmount "$tmp/c-mount"
}

section_rate() {
    echo "== rate: 2 GiB that nothing of is here, read in order, beside a fetch of the same into a store; three times"
    home r; serve "$tmp/server-r"; git init -q "$tmp/r"; cd "$tmp/r"
    git dits track '*.bin' >/dev/null; git remote add origin "$url/team/rate"
    random 2147483648 23 >rate.bin; git add .; git commit -qm rate; git push -q -u origin main
    printf '{"path":"rate.bin","start":0,"end":2147483648}\n' >"$tmp/all"
    local round
    for round in 1 2 3; do
        ghosts "$url/team/rate" "$tmp/f"; timed "fetch" git -C "$tmp/f" dits fetch; rm -rf "$tmp/f"
        ghosts "$url/team/rate" "$tmp/p"; timed "ranges" git -C "$tmp/p" dits prefetch --from-trace "$tmp/all"; rm -rf "$tmp/p"
        can_mount || continue
        ghosts "$url/team/rate" "$tmp/m"; git -C "$tmp/m" dits mount --detach "$tmp/m-mount" HEAD
        timed "mount, cold" cat "$tmp/m-mount/rate.bin" >/dev/null
        git -C "$tmp/m" dits mounts --stats; git -C "$tmp/m" dits unmount "$tmp/m-mount"; rm -rf "$tmp/m" "$tmp/m-mount"
    done
    kill -TERM "$server"; wait "$server" || true; server=
}

requests() { # DIR NAME COMMAND...: times it, and shows how many requests of each kind the kernel made meanwhile
    local dir=$1 kind was now; shift
    git -C "$dir" dits mounts --stats --json >"$tmp/before"
    timed "$@" >"$tmp/out"
    git -C "$dir" dits mounts --stats --json >"$tmp/after"
    for kind in lookup getattr readdir readdirplus open read create write unlink; do
        was=$(sed -n "s/.*\"$kind\": \([0-9]*\).*/\1/p" "$tmp/before" | head -1)
        now=$(sed -n "s/.*\"$kind\": \([0-9]*\).*/\1/p" "$tmp/after" | head -1)
        [ "${now:-0}" = "${was:-0}" ] || printf '  %s %d' "$kind" $((${now:-0} - ${was:-0}))
    done
    printf '  lines printed: %d\n' "$(wc -l <"$tmp/out")"
}
many() { # for fast-import: main with 100,000 files of which 25,000 are ghosts of 10 MB whose contents are nowhere; next with 400 others
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

section_tree() {
    echo "== tree: 100,000 files, 25,000 of them ghosts that nobody has; what Git asks of a mount of them"
    can_mount || return 0
    home t; git init -q "$tmp/t"; many | git -C "$tmp/t" fast-import --quiet
    local dir=$tmp/t-mount
    timed "git dits mount" git -C "$tmp/t" dits mount -b work "$dir" main
    requests "$dir" "first git status" git -C "$dir" status --porcelain
    requests "$dir" "second git status" git -C "$dir" status --porcelain
    requests "$dir" "third git status" git -C "$dir" status --porcelain
    requests "$dir" "ls -lR" ls -lR "$dir"
    requests "$dir" "ls -lR again" ls -lR "$dir"
    requests "$dir" "git checkout of 400 changed files" git -C "$dir" checkout -q next
    requests "$dir" "git status after it" git -C "$dir" status --porcelain
    echo one >"$dir/src/d001/e01/file000001.txt"; echo two >"$dir/src/new.txt"; rm "$dir/src/d002/e02/file000002.txt"
    requests "$dir" "git status after 3 edits" git -C "$dir" status --porcelain
    timed "git dits unmount" git -C "$tmp/t" dits unmount "$dir"
    timed "git dits mount again" git -C "$tmp/t" dits mount "$dir"
    requests "$dir" "git status then" git -C "$dir" status --porcelain
    timed "the hook alone" env GIT_DIR="$(git -C "$dir" rev-parse --absolute-git-dir)" git-dits hook fsmonitor 2 none >"$tmp/out"
    git -C "$tmp/t" dits unmount "$dir"
}

run_sections "${@:-middle rate tree}"
