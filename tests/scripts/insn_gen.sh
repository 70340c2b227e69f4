#!/bin/bash
# The table generator refuses what it does not understand, with file and line, and rows that match the same bytes.
set -u
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# refuses LINE MESSAGE: the table with LINE as its third line is an error there that says MESSAGE.
refuses() {
    printf '%s\n' '!feature base 2 -' 'ADD_EvGv --.M1.01/r Ev,Gv lock base - smb copy host' "$1" >"$dir/insn.def"
    if out=$("$BELLJAR_BUILD/insn_gen" "$dir/insn.def" "$dir" 2>&1); then
        echo "accepted: $1" >&2
        failed=1
    elif [[ $out != "$dir/insn.def:3: "*"$2"* ]]; then
        echo "not the right message for '$1': $out" >&2
        failed=1
    fi
}

refuses 'SUB_EvGv --.M1.29/r Ev,Gv lock base - smb copy' 'columns'
refuses 'SUB_EvGv --.M5.29/r Ev,Gv lock base - smb copy host' 'map'
refuses 'SUB_EvGv XX.M1.29/r Ev,Gv lock base - smb copy host' 'prefix'
refuses 'SUB_EvGv --.M1.2G/r Ev,Gv lock base - smb copy host' 'hex'
refuses 'SUB_EvGv --.M1.29/9 Ev,Gv lock base - smb copy host' 'encoding'
refuses 'SUB_EvGv --.M1.29/r Ev,Gk lock base - smb copy host' 'operand size'
refuses 'SUB_EvGv --.M1.29/r Ev,KX lock base - smb copy host' 'operand'
refuses 'SUB_EvGv --.M1.29 Ev,Gv lock base - s copy host' 'ModRM'
refuses 'SUB_EvGv --.M1.29/r Ev,Gv lokc base - smb copy host' 'attribute'
refuses 'SUB_EvGv --.M1.29/r Ev,Gv lock bsae - smb copy host' 'feature'
refuses 'SUB_EvGv --.M1.29/r Ev,Gv lock base -/Q/- smb copy host' 'flag'
refuses 'SUB_EvGv --.M1.29/r Ev,Gv lock base -/O smb copy host' 'flags'
refuses 'SUB_EvGv --.M1.29/r Ev,Gv lock base - x copy host' 'forms'
refuses 'SUB_EbGb --.M1.28/r Eb,Gb lock base - s copy host' 'fixed'
refuses 'SUB_EvGv --.M1.29/r Ev,Gv lock base - smb cpoy host' 'jit'
refuses 'SUB_EvGv --.M1.29/r Ev,Gv lock base - smb copy hsot' 'test'
refuses 'ADD_EvGv --.M1.29/r Ev,Gv lock base - smb copy host' 'is also at'
refuses 'SUB_EvGv --.M1.01/r Ev,Gv lock base - smb copy host' 'match the same bytes'
refuses 'SUB_EvGv VEX.128.M1.29/r Ev,Gv - base - smb copy host' 'encoding'
refuses '!feature base 2 -' 'twice'
refuses '!fuse ADD_EvGv_32_r NO_SUCH' 'no row'
exit $failed
