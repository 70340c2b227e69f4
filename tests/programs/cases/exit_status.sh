# engines: interp eager lockstep
# run: python3 -c 'raise SystemExit(3)'
