# All files of the root are looked at, N times: sh find_root.sh N
i=0
while [ $i -lt "$1" ]; do
    find / -xdev -type f -size +1 | sort | cksum
    i=$((i + 1))
done
