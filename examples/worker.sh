#!/bin/bash
# A shared worker; start as many as you like: worker.sh SOCKET SESSION (needs socat and jq)
trap '' PIPE # what the daemon says at the end is read even if it reads no more
coproc socat - "UNIX-CONNECT:$1"
exec <&"${COPROC[0]}" >&"${COPROC[1]}" # from here on, input and output are the channel
path="/v1/sessions/$(jq -rn --arg id "$2" '$id | @uri')/attach?worker=shell&shared=true"
printf '%s\r\n' "GET $path HTTP/1.1" 'Host: sessiond' 'Connection: Upgrade' 'Upgrade: sessiond-channel/1' ''
while read -r line || [ -n "$line" ]; do
  case $(jq -r '.type // empty' <<<"$line" 2>/dev/null) in
    attached) echo '{"type": "claim", "seq": 1, "count": 1}' ;;
    claimed)
      file=$(jq -r '.files[0] // empty' <<<"$line")
      [ -n "$file" ] || { echo '{"type": "detach"}'; continue; }
      output=$(wc -l "$file" 2>&1 </dev/null)
      jq -c --arg output "$output" --argjson exit_code $? '.files[0] as $file |
        {type: "progress", seq: (.seq + 1), processed: [$file], results: {($file): {$exit_code, $output}}},
        {type: "claim", seq: (.seq + 2), count: 1}' <<<"$line" ;;
    closing | error | urn:*)
      [[ $(jq -r .code <<<"$line") == detached ]] && exit
      jq -r .detail <<<"$line" >&2; exit 1 ;;
  esac
done
exit 1 # the connection was lost
