# engines: interp eager lockstep:fast
# run: python3 -c 'raise SystemExit(3)'
