# What a Python program that imports much of its standard library needs.
# package: python3.11-minimal
# engines: interp eager lockstep
# run: python3 -c "import sys,json,re,decimal,asyncio,sqlite3,ctypes,zlib,hashlib; print(sys.version)"
