# Starts /bin/true N times: sh spawn.sh N
i=0
while [ $i -lt "$1" ]; do
    /bin/true || exit
    i=$((i + 1))
done
