# A tree of 20,000 files is made, and searched N times: sh find.sh N TREE
"$2" 20000 /tmp/many
i=0
while [ $i -lt "$1" ]; do
    find /tmp/many -type f -size -2 -name '*7.txt' | wc -l
    i=$((i + 1))
done
