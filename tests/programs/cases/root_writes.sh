# Writing to the root: the overlay in the box, a private copy of the image natively.
# package: coreutils
# native: -w -r
cd /root || exit
mkdir d e; stat -c '%n %s %b %h %a' d e .; touch d/f; stat -c '%s %b %h' d; ls -la d | awk '{print $1, $2, $5, $NF}'
(cd d && seq 500 | xargs touch); [ $(stat -c %s d) -gt 4096 ] && echo grown; rm -r d; stat -c '%h' .
echo more >>/etc/hosts; cat /etc/hosts; stat -c '%s %a %h' /etc/hosts; sed -i s/root:x/root:y/ /etc/passwd; head -1 /etc/passwd; stat -c '%s %U' /etc/passwd
rm /etc/hostname; cat /etc/hostname; ls /etc | grep host; mv /etc/group /etc/group2; head -1 /etc/group2; mv /etc/group2 /etc/group; ln /usr/bin/env /root/env; stat -c '%h %s' /usr/bin/env; ./env true && echo runs; rm env; stat -c %h /usr/bin/env
mv /usr/lib/python3.11/json /root/json; ls /root/json; python3 -c 'import json' 2>&1 | tail -1; mv /root/json /usr/lib/python3.11/json; python3 -c 'import json; print(json.dumps([1]))'
chmod 700 /usr/bin/sort; stat -c '%a %s' /usr/bin/sort; chown 5:6 /usr/share; stat -c %u:%g /usr/share; touch -d @99 /usr/bin/ls; stat -c %Y /usr/bin/ls; truncate -s 100 /usr/bin/shuf; stat -c '%s %b' /usr/bin/shuf; truncate -s 9000 /usr/bin/shuf; od -c /usr/bin/shuf | tail -2
dd if=/dev/zero of=/usr/bin/tsort bs=1 seek=5000 count=10 conv=notrunc status=none; md5sum /usr/bin/tsort; cp /usr/bin/bash b; stat -c %s b; ./b -c 'echo copy'; printf 'x' | dd of=b bs=1 seek=700000 conv=notrunc status=none; cmp b /usr/bin/bash | sed 's/ byte//'; rm -rf /usr/lib/python3.11/asyncio; ls -d /usr/lib/python3.11/a*
rmdir /usr; rm -d /mnt && ls -d /mnt; mkdir /mnt; ls -ld /mnt | cut -c1-14; rm -rf /usr/share/zoneinfo; ls /usr/share | wc -l; ln -s /usr/bin/env l; ./l echo link; find /root | sort; exec 3</etc/shells; rm /etc/shells; cat <&3; exec 3<&-; echo new >/etc/shells; cat /etc/shells; truncate -s 5G sparse; stat -c '%s %b' sparse; echo end >>sparse; tail -c 4 sparse; mkdir -p "$(printf 'n%.0s' {1..255})/b"; ls | wc -c; df -T / >/dev/null && echo df; sync; fold -w 20 /etc/profile | head -3
(umask 027; mkdir um; touch um/f; stat -c %a um um/f); mkdir -m 2775 sg; chgrp users sg; chmod g+s sg; touch sg/f; mkdir sg/d; stat -c '%n %a %G' sg sg/f sg/d; cp -a sg sg2; stat -c '%a %G' sg2/d; ls -lA --time-style=+ /root | grep -v ^total | awk '{print $1, $2, $3, $4, $NF}'
