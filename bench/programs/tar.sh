# A tree of 20,000 files is made, and packed N times: sh tar.sh N TREE
"$2" 20000 /tmp/many
i=0
while [ $i -lt "$1" ]; do
    tar -C /tmp -cf - many | wc -c
    i=$((i + 1))
done
