# SystemExit becomes the status of the box.
# package: bash
# engines: interp eager lockstep:fast
# run: python3 -c 'raise SystemExit(3)'
