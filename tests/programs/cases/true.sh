# stdin: hello\n
cat; id; echo err >&2; ls -l /dev/fd/; kill -SEGV $$
