#!/bin/bash
# What a mount must show, measured with the release binaries on a real server over loopback.
#
#   cargo build --release --locked && bench/mount.sh [SECTION...]
#
# Sections: middle, rate; both without arguments. `middle` needs little disk (its file of 10 GB is sparse), `rate` about 8 GB. Both also read through a
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
        git -C "$tmp/m" dits mounts --stats; git -C "$tmp/m" dits unmount "$tmp/m-mount"; rm -rf "$tmp/m"
    done
    kill -TERM "$server"; wait "$server" || true; server=
}

run_sections "${@:-middle rate}"
