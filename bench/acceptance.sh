#!/bin/bash
# The figures that the first milestone must show, measured on real files with the release binaries.
#
#   cargo build --release --locked && bench/acceptance.sh [SECTION...]
#
# Sections: big, memory, small, add, commits, startup, status, noop, edit; all of them without arguments. Needs about 25 GB of disk, the
# Debian packages `bc time openssl` and, for the comparison in `small`, `git-lfs` (3.3; its remote is a plain folder).
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

section_memory() {
    echo "== memory: one file of 4 GiB"
    home m; git init -q "$tmp/m"; cd "$tmp/m"; git dits track '*.bin' >/dev/null
    random 4294967296 11 >huge.bin
    local m; m=$(mark); timed add git add .; echo "  filter: peak $(since "$m" filter peak_rss_bytes) bytes"
    git commit -qm huge; b3=$(sha256sum <huge.bin); rm huge.bin
    m=$(mark); timed checkout git checkout -q -- huge.bin; echo "  filter: peak $(since "$m" filter peak_rss_bytes) bytes"
    [ "$b3" = "$(sha256sum <huge.bin)" ] && echo "file is identical"; filter_starts "$tmp/m"
    rm -rf "$tmp/m"
}

small_tree() { # DIR: 20,000 files of 1 to 20 KiB
    mkdir -p "$1"
    random 220000000 13 | (cd "$1" && for i in $(seq 1 200); do mkdir "d$i"; head -c 1100000 | (cd "d$i" && split -b $((1024 + i * 97)) -a 3 - f); done)
    find "$1" -type f | sort | tail -n +20001 | xargs -r rm
    find "$1" -type d -empty -delete
}
section_small() {
    echo "== small: 20,000 small tracked files, beside git-lfs with a local folder as remote"
    small_tree "$tmp/tree"
    echo "$(find "$tmp/tree" -type f | wc -l) files, $(du -sb "$tmp/tree" | cut -f1) bytes"
    home s; serve "$tmp/server-s"
    git init -q "$tmp/s"; cd "$tmp/s"; git dits track 'tree/**' >/dev/null; git remote add origin "$url/team/small"
    cp -r "$tmp/tree" tree
    timed "dits add" git add .; git commit -qm all
    timed "dits push" git push -q -u origin main
    timed "dits clone" git clone -q "$url/team/small" "$tmp/s2"
    same "$tmp/s" "$tmp/s2"; filter_starts "$tmp/s2"
    kill -TERM "$server"; wait "$server" || true; server=
    command -v git-lfs >/dev/null || { echo "git-lfs is not installed"; return; }
    home l; git lfs install >/dev/null; git init -q --bare "$tmp/l.git"
    git init -q "$tmp/l"; cd "$tmp/l"; git lfs track 'tree/**' >/dev/null; git remote add origin "$tmp/l.git"
    cp -r "$tmp/tree" tree
    timed "lfs add" git add .; git commit -qm all
    timed "lfs push" git push -q -u origin main
    timed "lfs clone" git clone -q "$tmp/l.git" "$tmp/l2"
}

section_add() {
    echo "== add: git add beside git dits add, 20,000 small files and one of 2 GiB"
    home add; small_tree "$tmp/tree-add"; random 2147483648 17 >"$tmp/large.bin"
    local how m
    for how in git dits; do
        git init -q "$tmp/add-$how"; cd "$tmp/add-$how"; git dits track 'tree/**' '*.bin' >/dev/null
        cp -r "$tmp/tree-add" tree; cp "$tmp/large.bin" large.bin
        # Not as young as the index, or Git reads them again.
        find . -path ./.git -prune -o -type f -exec touch -d 2020-01-01 {} +
        local add=(git add); [ $how = dits ] && add=(git dits add)
        timed "$how add, small" "${add[@]}" tree
        timed "$how add, large" "${add[@]}" large.bin
        git ls-files --stage >"$tmp/index-$how"; filter_starts "$tmp/add-$how"; git dits fsck
    done
    cmp "$tmp/index-git" "$tmp/index-dits" && echo "indexes are the same"
    rm -rf "$tmp/add-git" "$tmp/add-dits" "$tmp/large.bin" "$tmp/tree-add"
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

section_startup() {
    echo "== startup: 100 x git-dits version"
    timed "100 runs" sh -c 'for i in $(seq 100); do git-dits version >/dev/null; done'
}

times() { # COUNT COMMAND...: median of its wall times in milliseconds
    local count=$1 t0 t1; shift
    for _ in $(seq "$count"); do
        t0=$(date +%s%N); "$@" >/dev/null 2>&1; t1=$(date +%s%N); echo $(((t1 - t0) / 1000))
    done | sort -n | sed -n "$((count / 2 + 1))p" | sed 's/...$/.&/'
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

section_noop() {
    echo "== noop: a push with nothing to do, 100,000 commits"
    home n; serve "$tmp/server-n"; git init -q "$tmp/n"; cd "$tmp/n"
    git dits track '*.bin' >/dev/null; git add .; git commit -qm start; echo x >one.bin; git add .; git commit -qm one
    {
        echo "reset refs/heads/main"; echo "from refs/heads/main^0"; echo
        for i in $(seq 100000); do
            printf 'commit refs/heads/main\ncommitter a <a> 1577836800 +0000\ndata 1\n.\nM 100644 inline n.txt\ndata %s\n%s\n' "${#i}" "$i"
        done
    } | git fast-import --quiet
    git init -q --bare "$tmp/plain.git"; git remote add plain "file://$tmp/plain.git"; git remote add origin "$url/team/noop"
    git config remote.plain.ditsurl "$url/team/noop"
    git push -q origin main; git push -q plain main
    local m plain hook dits; m=$(mark)
    plain=$(times 11 git push --no-verify plain main); hook=$(times 11 git push plain main); dits=$(times 11 git push origin main)
    echo "  median of 11: plain git (file) $plain ms, with the pre-push hook $hook ms, dits:// $dits ms," \
        "added $(echo "$hook - $plain" | bc) ms and $(echo "$dits - $plain" | bc) ms"
    echo "  chunk questions: $(tail -n +$((m + 1)) "$tmp/trace" | grep -c '"event":"push"' || true) push events, UDP bytes a push" \
        "$((($(since "$m" connection wire_sent_bytes) + $(since "$m" connection wire_received_bytes)) / 11))"
    kill -TERM "$server"; wait "$server" || true; server=
}

section_edit() {
    echo "== edit: one byte in the middle of a sparse file of 10 GB"
    home e; serve "$tmp/server-e"; git init -q "$tmp/e"; cd "$tmp/e"
    git dits track '*.bin' >/dev/null; git remote add origin "$url/team/edit"
    truncate -s 10G large.bin; timed add git add .; git commit -qm large
    local m; m=$(mark); timed push git push -q -u origin main; push_facts "$m"
    printf x | dd of=large.bin bs=1 seek=5G conv=notrunc status=none
    timed "add of the edit" git add .; git commit -qm edit
    m=$(mark); timed "push of the edit" git push -q; push_facts "$m"
    kill -TERM "$server"; wait "$server" || true; server=
}

run_sections "${@:-big memory small add commits startup status noop edit}"
