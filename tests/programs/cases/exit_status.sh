# run: python3 -c 'raise SystemExit(3)'
