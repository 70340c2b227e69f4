# run: python3 -
# stdin: print(1)\n
