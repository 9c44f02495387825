# bash completion for bledctl                                        SPDX-License-Identifier: MIT
_bledctl() {
    local cur prev words cword split globals=() command='' i at=0
    _init_completion -s -n : 2>/dev/null || {
        cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    }
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        -a | --adapter | --bus | --bus-name) globals+=("${words[i]}" "${words[i + 1]}") && ((i++)) ;;
        --adapter=* | --bus=* | --bus-name=*) globals+=("${words[i]}") ;;
        -*) ;;
        *) command=${words[i]} at=$i && break ;;
        esac
    done
    local list=''
    if [ -z "$command" ]; then
        case $cur in
        -*) list='--adapter= --bus= --bus-name= --json --quiet --help --version' ;;
        *) list=$(bledctl __complete commands) ;;
        esac
    elif [[ $cur == -* ]]; then
        list=$(bledctl "$command" --help 2>/dev/null | grep -o -- '--[a-z-]*=\?' | sort -u)
    else
        local argument=$((cword - at))
        for ((i = at + 1; i < cword; i++)); do [[ ${words[i]} == -* ]] && ((argument--)); done
        case $command:$argument in
        connect:1 | disconnect:1 | services:1 | read:1 | write:1 | subscribe:1 | pair:1 | forget:1 | stats:1)
            list=$(bledctl "${globals[@]}" __complete devices 2>/dev/null) ;;
        read:2 | write:2 | subscribe:2) list=$(bledctl __complete uuids) ;;
        l2cap:1) list='listen connect' ;;
        l2cap:2) [ "${words[cword - 1]}" = connect ] && list=$(bledctl "${globals[@]}" __complete devices 2>/dev/null) ;;
        config:1) list=$(bledctl "${globals[@]}" config 2>/dev/null | cut -d' ' -f1) ;;
        serve:1 | capture:1) COMPREPLY=($(compgen -f -- "$cur")) && return ;;
        esac
    fi
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$list" -- "$cur"))
    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    type __ltrim_colon_completions >/dev/null 2>&1 && __ltrim_colon_completions "$cur"
    return 0
}
complete -F _bledctl bledctl
