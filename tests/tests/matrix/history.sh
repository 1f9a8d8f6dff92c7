# The history that all commands of the matrix work on, in the repository around.
#
#   start (7 commits) ── base ─┬─ c ── m  (main) ── ahead1 ── ahead2 ── ahead3  (ahead)
#                              ├─ other    changes a.bin (same size) and run.bin, adds, removes
#                              ├─ third    changes dir/b.bin (same size), adds
#                              ├─ clash    changes a.bin otherwise
#                              └─ moved    dir/b.bin is at far/b.bin
printf '[attr]dits filter=dits diff=dits -merge -text\n*.bin dits\n' >.gitattributes
for i in 1 2 3 4 5 6 7; do
    echo "$i" >start.txt
    commit "start $i"
done
put a.bin A1
put dir/b.bin B1
put dir/deep/c.bin C1
put keep.bin K
put empty.bin E
put run.bin R1
chmod +x run.bin
put gone.bin G
put away/o.bin O
put text.txt T1
commit base
git switch -q -c other
put a.bin A2
put dir/new.bin N
put run.bin R2
chmod +x run.bin
rm gone.bin
put text2.txt T2
commit other
git switch -q -c third main
put dir/b.bin B2
put third.bin H
commit third
git switch -q -c clash main
put a.bin A3
commit clash
git switch -q -c moved main
mkdir far
git mv dir/b.bin far/b.bin
git commit -q -m moved
git switch -q main
put dir/deep/c.bin C2
commit c
put mine.bin M
commit m
git switch -q -c ahead
for i in 4 5 6; do
    put a.bin A$i
    put dir/late$i.bin A$i
    commit ahead$i
done
git switch -q main
# Fewer files to copy.
git repack -a -d -q
