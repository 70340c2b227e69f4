# Completion of belljar's long options for bash: source this file, or install it as /usr/share/bash-completion/completions/belljar.
_belljar() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
    --image | --put | --trace-file | --report) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
    --http-header) mapfile -t COMPREPLY < <(compgen -P @ -f -- "${cur#@}") && return ;;
    --mount) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
    --code-cache) mapfile -t COMPREPLY < <(compgen -d -W none -- "$cur") && return ;;
    --trace) mapfile -t COMPREPLY < <(compgen -W 'syscalls faults jit startup syscalls,faults' -- "$cur") && return ;;
    --engine) mapfile -t COMPREPLY < <(compgen -W 'jit interp lockstep' -- "$cur") && return ;;
    --cpu) mapfile -t COMPREPLY < <(compgen -W 'v2 v3' -- "$cur") && return ;;
    --jail) mapfile -t COMPREPLY < <(compgen -W 'seccomp none' -- "$cur") && return ;;
    image) [ "$COMP_CWORD" -gt 2 ] || { mapfile -t COMPREPLY < <(compgen -W "$(belljar image --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')" -- "$cur") && return; } ;;
    cache) [ "$COMP_CWORD" -gt 2 ] || { mapfile -t COMPREPLY < <(compgen -W 'info clear wait' -- "$cur") && return; } ;;
    esac
    [ "${COMP_WORDS[1]}" != cache ] || [ "$COMP_CWORD" -ne 3 ] || { mapfile -t COMPREPLY < <(compgen -W 'code disks --code-cache' -- "$cur") && return; }
    if [ "${COMP_WORDS[1]}" = image ] && [ "$COMP_CWORD" -gt 2 ] && [[ " ${COMP_WORDS[*]} " != *" -- "* ]]; then
        case $cur in
        -*) mapfile -t COMPREPLY < <(compgen -W "$(belljar image "${COMP_WORDS[2]}" --help | sed -n 's/^  .*\(--[a-z-]*\).*/\1/p')" -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        esac
        return
    fi
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(belljar --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p')" -- "$cur") ;;
    *) [ "$COMP_CWORD" -gt 1 ] || mapfile -t COMPREPLY < <(compgen -W 'image cache syscalls insns' -- "$cur") ;;
    esac
}
complete -F _belljar belljar
