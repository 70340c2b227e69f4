# A program on standard input.
# package: python3.11-minimal
# run: python3 -
# stdin: print(1)\n
