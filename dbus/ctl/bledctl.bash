# bash completion for bledctl                                        SPDX-License-Identifier: MIT
#
# Words are split at blanks here: bash splits them at colons and equals signs too, which addresses and
# options have; what it takes for the word is cut off the candidates again at the end.
_bledctl() {
    local line=${COMP_LINE:0:COMP_POINT} cur='' words=() globals=() command='' i at=0 list='' before=''
    read -ra words <<<"$line"
    [[ $line == *[[:blank:]] ]] || { cur=${words[-1]} && unset 'words[-1]'; }
    local bledctl=${words[0]/#\~/$HOME}
    for ((i = 1; i < ${#words[@]}; i++)); do
        case ${words[i]} in
        -a | --adapter | --bus | --bus-name) globals+=("${words[i]}" "${words[i + 1]}") && ((i++)) ;;
        --adapter=* | --bus=* | --bus-name=*) globals+=("${words[i]}") ;;
        -*) ;;
        *) command=${words[i]} at=$i && break ;;
        esac
    done
    # --option=VALUE: the value is completed, behind its option; and so is that of -s VALUE
    if [[ $cur == --*=* ]]; then
        before=${cur%%=*} cur=${cur#*=}
    elif [[ -n $command ]]; then
        case ${words[-1]} in -s | --service) before=--service ;; --io) before=--io ;; esac
    fi
    local argument=$((${#words[@]} - at))
    for ((i = at + 1; i < ${#words[@]}; i++)); do [[ ${words[i]} == -* ]] && ((argument--)); done
    case $before:$command:$argument in
    --service:scan:* | --service:advertise:*) list=$("$bledctl" __complete uuids) ;;
    --io:*) list='display yesno keyboard none both' ;;
    --adapter:*) list=$("$bledctl" "${globals[@]}" __complete adapters 2>/dev/null) ;;
    --bus:*) list='system session' ;;
    --address:*) list=$("$bledctl" "${globals[@]}" __complete devices 2>/dev/null) ;;
    --*) ;;
    ::*)
        case $cur in
        -*) list='--adapter= --bus= --bus-name= --json --quiet --verbose --help --version' ;;
        *) list=$("$bledctl" __complete commands) ;;
        esac
        ;;
    *)
        if [[ $cur == -* ]]; then
            list="$("$bledctl" "$command" --help 2>/dev/null | grep -o -- '--[a-z-]*=\?' | sort -u) --help"
        else
            case $command:$argument in
            connect:1 | disconnect:1 | services:1 | read:1 | write:1 | subscribe:1 | pair:1 | forget:1 | stats:1)
                list=$("$bledctl" "${globals[@]}" __complete devices 2>/dev/null) ;;
            read:2 | write:2 | subscribe:2) list=$("$bledctl" __complete uuids) ;;
            l2cap:1) list='listen connect' ;;
            l2cap:2) [[ ${words[-1]} == connect ]] &&
                list=$("$bledctl" "${globals[@]}" __complete devices 2>/dev/null) ;;
            config:1) list=$("$bledctl" "${globals[@]}" config 2>/dev/null | cut -d' ' -f1) ;;
            serve:1 | capture:1)
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                return
                ;;
            esac
        fi
        ;;
    esac
    [[ $cur =~ ^[0-9A-Fa-f]{2}: ]] && cur=${cur^^} # addresses are told in capitals
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"${cur%:*}:"}; done
    elif [[ -n $before && $line == *"$before="* && $COMP_WORDBREAKS != *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]/#/$before=}")
    fi
}
complete -F _bledctl bledctl
