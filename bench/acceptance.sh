#!/bin/bash
# What `cargo xtask bench` does not measure: how little follows from moves, copies and appends in a large repository, a thousand
# commits one by one, and a status of many ghosts; with the release binaries.
#
#   cargo build --release --locked && bench/acceptance.sh [SECTION...]
#
# Sections: big, commits, status; all of them without arguments. Needs about 8 GB of disk and the Debian packages `bc time openssl`.
# Everything happens in a temporary folder below TMPDIR with its own HOME. Let that be a fresh file system: ext4
# searches long for inodes where many files were deleted in the last minutes (seen: 4 times slower creation).
# Prints facts, judges nothing; byte counts come from GIT_DITS_TRACE, not from the clock.
. "$(dirname "$0")/common.sh"

section_big() {
    echo "== big: over 1 GiB of real files, one of them over 500 MiB"
    home a; serve "$tmp/server"
    git init -q "$tmp/a"; cd "$tmp/a"
    git dits track 'assets/**' >/dev/null; git remote add origin "$url/team/big"
    mkdir -p assets/lib
    # Real files of this system: programs and libraries, and a tar of them as the large one.
    find /usr/lib /usr/bin /usr/share -xdev -type f -size +64k -size -40M 2>/dev/null | sort | awk 'NR % 2 == 0 && ++n <= 1200' |
        while read -r file; do cp "$file" "assets/lib/$(echo "$file" | tr / _)" 2>/dev/null || true; done
    find /usr/lib /usr/bin /usr/share -xdev -type f -size +64k 2>/dev/null | sort | tar -cf - -T - 2>/dev/null | head -c 750000000 >assets/big.bin || true
    echo "$(find assets -type f | wc -l) files, $(du -sb assets | cut -f1) bytes, big.bin $(stat -c %s assets/big.bin)"
    timed add git add .
    git commit -qm all
    local m; m=$(mark); timed push git push -q -u origin main; push_facts "$m"
    home b; m=$(mark); timed clone git clone -q "$url/team/big" "$tmp/b"
    same "$tmp/a" "$tmp/b"; filter_starts "$tmp/b"
    git -C "$tmp/b" fsck 2>&1 | tail -n 1; echo "git fsck: ${PIPESTATUS[0]}"; (cd "$tmp/b" && git dits fsck); (cd "$tmp/a" && git dits fsck && git fsck 2>&1 | tail -n 1)
    git dits fsck --store "$tmp/server/realms/team/store"; git -C "$tmp/server/realms/team/git/big.git" fsck 2>&1 | tail -n 1
    home a
    echo "-- nothing new"; m=$(mark); git push -q; echo "  push events: $(tail -n +$((m + 1)) "$tmp/trace" | grep -c '"event":"push"' || true)"
    echo "-- move"; git mv assets/big.bin assets/moved.bin; git commit -qm move; m=$(mark); git push -q; push_facts "$m"
    echo "-- copy"; cp assets/moved.bin assets/copy.bin; git add .; git commit -qm copy; m=$(mark); git push -q; push_facts "$m"
    echo "-- append 1 MiB"; random 1048576 7 >>assets/moved.bin; git add .; git commit -qm append; m=$(mark); git push -q; push_facts "$m"
    echo "-- overwrite 100 bytes in the middle"; random 100 9 | dd of=assets/moved.bin bs=1 seek=314572800 conv=notrunc status=none
    git add .; git commit -qm edit; m=$(mark); git push -q; push_facts "$m"
    home b; git -C "$tmp/b" pull -q; same "$tmp/a" "$tmp/b"; filter_starts "$tmp/b"
    kill -TERM "$server"; wait "$server" && echo "server ended with 0"; server=
}

section_commits() {
    echo "== commits: 1,000 commits of one small file each"
    home c; git init -q "$tmp/c"; cd "$tmp/c"; git dits track '*.bin' >/dev/null; git add .; git commit -qm start
    for i in $(seq 1 1000); do
        random 10000 "$((1000 + i))" >"$i.bin"
        local t0 t1; t0=$(date +%s%N); git add "$i.bin"; t1=$(date +%s%N)
        git commit -qm "$i"; echo "$(((t1 - t0) / 1000))" >>"$tmp/adds"
    done
    middle() { sort -n | sed -n 5p; }
    echo "git add, median of ten: first $(head -n 10 "$tmp/adds" | middle) us, last $(tail -n 10 "$tmp/adds" | middle) us; slowest $(sort -n "$tmp/adds" | tail -n 1) us"
    echo "packs $(find .git/dits/objects -name '*.pack' | wc -l), segments $(find .git/dits/index -name '*.seg' | wc -l)"
    git dits fsck
}

two_statuses() { # DIR: what the first and the second status after a clone cost
    for which in first second; do
        GIT_TRACE2_PERF=$tmp/perf timed "  $which status" git -C "$1" status --porcelain >"$tmp/status"
        echo "  $(wc -l <"$tmp/status") lines, $(grep -c 'class:subprocess' "$tmp/perf" || true) filter starts"
        rm -f "$tmp/perf"
    done
}
section_status() {
    echo "== status: 100,000 pointers"
    home q; serve "$tmp/server-q"; git init -q "$tmp/q"; cd "$tmp/q"
    git dits track '*.bin' >/dev/null; git add .; git commit -qm start; git remote add origin "$url/team/many"
    local ids=()
    for i in $(seq 0 9); do ids+=("$(random $((200 + i)) "$((90 + i))" | git hash-object -w --stdin --path=x.bin)"); done
    { # The pointers stand in the object database already; a commit only has to name them.
        printf 'commit refs/heads/main\ncommitter a <a> 1577836800 +0000\ndata 4\nmany\nfrom refs/heads/main^0\n'
        for i in $(seq 0 99999); do echo "M 100644 ${ids[i % 10]} d$((i / 1000))/$i.bin"; done
    } | git fast-import --quiet
    git push -q origin main
    home r; timed "clone" git clone -q "$url/team/many" "$tmp/r"; two_statuses "$tmp/r"
    timed "clone of ghosts" env GIT_DITS_SKIP_SMUDGE=1 git clone -q "$url/team/many" "$tmp/r2"; two_statuses "$tmp/r2"
    kill -TERM "$server"; wait "$server" || true; server=
}

run_sections "${@:-big commits status}"
