# engines: interp eager lockstep
# run: python3 -c "import sys,json,re,decimal,asyncio,sqlite3,ctypes,zlib,hashlib; print(sys.version)"
